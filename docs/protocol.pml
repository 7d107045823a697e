/* The protocol between the manager and its workers, as a model for Spin: dispatch, sending in advance, recall, the loss of
 * one worker's node, and fencing. N_WORKERS workers, N_TASKS tasks, one loss at most.
 *
 * What must hold: no task is lost (in the end each is recorded as done), none is recorded twice, no two attempts of a task
 * run at the same time, and nobody waits for ever. tests/full/protocol.sh checks it, and that each of the mistakes below is
 * found: BREAK_STALE (words of who was given up count), BREAK_FENCE (a worker that is cut off goes on), BREAK_EARLY (its
 * tasks are given away at once), BREAK_RECALL (a recalled task is taken back before the worker has returned it).
 *
 * Time: a lease of T and a patience of 2T, without clocks. All that core/fence.h proves of them is that the lease is over
 * before the patience is: `fenced` must have become true, or the worker be dead, when its tasks are given away. */

#define N_WORKERS 2
#define N_TASKS 3
#define NONE 255

mtype = { RUN, RECALL, STOP, DONE, RETURNED };

/* A FIFO in each direction, as MPI has them. What it holds when the cable is cut arrives when that is healed. */
chan to_worker[N_WORKERS] = [4] of { mtype, byte /* task */, byte /* attempt */ };
chan to_manager[N_WORKERS] = [4] of { mtype, byte, byte };

bool is_dead[N_WORKERS];     /* its process is gone */
bool is_cut[N_WORKERS];      /* nothing arrives, neither way */
bool is_fenced[N_WORKERS];   /* its lease is over: it has ended its tasks, and left */
bool has_lost;               /* the one loss has been had */

byte n_recorded[N_TASKS];    /* lines "done" in the journal */
byte n_running[N_TASKS];     /* attempts that live */
bool is_over;

/* ---- a worker ---- */

#define GONE (is_dead[w] || is_fenced[w])

proctype worker(byte w)
{
    byte task = NONE, attempt, next = NONE, next_attempt, t, a;

    do
    :: GONE -> break
    :: !GONE && !is_cut[w] && to_worker[w]?[RUN, t, a] ->
        atomic {
            to_worker[w]?RUN, t, a;
            if
            :: task == NONE -> task = t; attempt = a; n_running[t]++; assert(n_running[t] == 1)
            :: else -> assert(next == NONE); next = t; next_attempt = a
            fi
        }
    :: !GONE && !is_cut[w] && to_worker[w]?[RECALL, t, a] ->
        atomic {
            to_worker[w]?RECALL, t, a;
            if
            :: next == t && next_attempt == a -> next = NONE; to_manager[w]!RETURNED, t, a
            :: else -> skip /* it has started, or even ended */
            fi
        }
    :: !GONE && !is_cut[w] && to_worker[w]?[STOP, t, a] -> to_worker[w]?STOP, t, a; break
    :: !GONE && task != NONE -> /* it ends: DONE stays on the way while the cable is cut */
        atomic {
            n_running[task]--;
            to_manager[w]!DONE, task, attempt;
            task = next;
            attempt = next_attempt;
            next = NONE;
            if
            :: task != NONE -> n_running[task]++; assert(n_running[task] == 1)
            :: else
            fi
        }
#ifndef BREAK_FENCE
    :: is_cut[w] && !GONE -> /* the lease is over */
        atomic {
            if
            :: task != NONE -> n_running[task]--; task = NONE
            :: else
            fi;
            is_fenced[w] = true
        }
#endif
    od;
    atomic { /* whoever dies is ended with all it started, by its leader or the manager */
        if
        :: task != NONE -> n_running[task]--
        :: else
        fi;
        if
        :: is_dead[w] -> is_fenced[w] = true
        :: else
        fi
    }
}

/* ---- the world: one worker dies, or is cut off and perhaps healed ---- */

proctype world()
{
    byte w;

    if
    :: w = 0
    :: w = 1
    fi;
    if
    :: is_dead[w] = true
    :: is_cut[w] = true;
       if
       :: is_cut[w] = false
       :: skip
       fi
    :: skip
    fi;
    has_lost = true
}

/* ---- the manager ---- */

#define READY 0
#define SENT 1
#define DONE_STATE 2

byte state[N_TASKS];
byte attempts[N_TASKS];
byte running[N_WORKERS] = NONE; /* as far as it knows */
byte advance[N_WORKERS] = NONE;
bool is_recalled[N_WORKERS];
bool is_given_up[N_WORKERS];

/* The only states in which a worker's silence may be the end of its lease. */
#ifdef BREAK_EARLY
#define MAY_GIVE_UP(w) (!is_given_up[w] && (is_dead[w] || is_cut[w]))
#else
#ifdef BREAK_FENCE
#define MAY_GIVE_UP(w) (!is_given_up[w] && ((is_dead[w] && is_fenced[w]) || is_cut[w]))
#else
#define MAY_GIVE_UP(w) (!is_given_up[w] && is_fenced[w])
#endif
#endif

inline record(t)
{
    n_recorded[t]++;
    assert(n_recorded[t] == 1);
    state[t] = DONE_STATE
}

inline take_back(t)
{
    state[t] = READY
}

inline hear(w)
{
    if
    :: to_manager[w]?DONE, t, a ->
        if
#ifdef BREAK_STALE
        :: true ->
#else
        :: running[w] == t && attempts[t] == a ->
#endif
            record(t);
            running[w] = advance[w];
            advance[w] = NONE;
            is_recalled[w] = false
        :: else -> skip /* stale */
        fi
    :: to_manager[w]?RETURNED, t, a ->
        if
        :: advance[w] == t && attempts[t] == a ->
            take_back(t);
            attempts[t]--; /* it was none */
            advance[w] = NONE;
            is_recalled[w] = false
        :: else -> skip
        fi
    fi
}

inline give_up(w)
{
    is_given_up[w] = true;
    if
    :: running[w] != NONE -> take_back(running[w]); running[w] = NONE
    :: else
    fi;
    if
    :: advance[w] != NONE -> take_back(advance[w]); advance[w] = NONE
    :: else
    fi
}

inline send(w, t)
{
    state[t] = SENT;
    attempts[t]++;
    to_worker[w]!RUN, t, attempts[t];
    if
    :: running[w] == NONE -> running[w] = t
    :: else -> advance[w] = t
    fi
}

#define ALL_DONE (state[0] == DONE_STATE && state[1] == DONE_STATE && state[2] == DONE_STATE)
#define IDLE(w) (!is_given_up[w] && running[w] == NONE)
#define CAN_START(w) (IDLE(w) && nfull(to_worker[w]))
#define CAN_ADVANCE(w) (!IDLE(0) && !IDLE(1) && !is_given_up[w] && advance[w] == NONE && nfull(to_worker[w]))
#define CAN_HEAR(w) (!is_cut[w] && nempty(to_manager[w]))

/* One after the other, lowest first: which is sent makes no difference to the protocol. */
#define FIRST_READY (state[0] == READY -> 0 : (state[1] == READY -> 1 : (state[2] == READY -> 2 : NONE)))

active proctype manager()
{
    byte t, a, w, first;

    atomic {
        run worker(0);
        run worker(1);
        run world()
    }
    do
    :: ALL_DONE -> break
    :: else ->
        atomic {
            first = FIRST_READY;
            if
            :: first != NONE && (CAN_START(0) || CAN_ADVANCE(0)) -> send(0, first)
            :: first != NONE && (CAN_START(1) || CAN_ADVANCE(1)) -> send(1, first)
            :: CAN_HEAR(0) -> hear(0)
            :: CAN_HEAR(1) -> hear(1)
            :: MAY_GIVE_UP(0) -> give_up(0)
            :: MAY_GIVE_UP(1) -> give_up(1)
            /* a task waits behind another while the other worker is idle */
            :: advance[0] != NONE && !is_recalled[0] && IDLE(1) && nfull(to_worker[0]) ->
                is_recalled[0] = true; to_worker[0]!RECALL, advance[0], attempts[advance[0]];
#ifdef BREAK_RECALL
                take_back(advance[0]); advance[0] = NONE; is_recalled[0] = false
#endif
            :: advance[1] != NONE && !is_recalled[1] && IDLE(0) && nfull(to_worker[1]) ->
                is_recalled[1] = true; to_worker[1]!RECALL, advance[1], attempts[advance[1]];
#ifdef BREAK_RECALL
                take_back(advance[1]); advance[1] = NONE; is_recalled[1] = false
#endif
            fi
        }
    od;
    is_over = true;
    w = 0;
    do
    :: w < N_WORKERS && nfull(to_worker[w]) -> to_worker[w]!STOP, NONE, 0; w++
    :: w < N_WORKERS && (is_dead[w] || is_fenced[w]) -> w++
    :: w == N_WORKERS -> break
    od
}

ltl finishes { <> is_over }
