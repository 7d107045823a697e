/* The protocol between the manager and its workers, as a model for Spin: dispatch, sending in advance, recall, chains, the
 * loss of one worker's node, and fencing. N_WORKERS workers, N_TASKS tasks, one loss at most. With CHAIN there are
 * two tasks: FOLLOWER waits for PARENT, which may fail once, and may be sent behind it: then the worker has what that attempt
 * of PARENT returned, or gives FOLLOWER back. (With three tasks that would be forty million states.)
 *
 * What must hold: no task is lost (in the end each is recorded as done), none is recorded twice, no two attempts of a task
 * run at the same time, none before what it waits for, and nobody waits for ever. tests/full/protocol.sh checks it, and that each of the mistakes below is
 * found: BREAK_STALE (words of who was given up count), BREAK_FENCE (a worker that is cut off goes on), BREAK_EARLY (its
 * tasks are given away at once), BREAK_RECALL (a recalled task is taken back before the worker has returned it), or
 * with CHAIN, BREAK_CHAIN (FOLLOWER begins, whatever became of PARENT).
 *
 * Time: a lease of T and a patience of 2T, without clocks. All that core/fence.h proves of them is that the lease is over
 * before the patience is: `fenced` must have become true, or the worker be dead, when its tasks are given away. */

#define N_WORKERS 2
#define N_TASKS 3
#define NONE 255
#define PARENT 0
#define FOLLOWER 1
#ifdef CHAIN
#define HAS_CHAIN true
#else
#define HAS_CHAIN false
#endif

mtype = { RUN, RECALL, STOP, DONE, FAILED, RETURNED };

/* A FIFO in each direction, as MPI has them. What it holds when the cable is cut arrives when that is healed. */
chan to_worker[N_WORKERS] = [4] of { mtype, byte /* task */, byte /* attempt */, byte /* owed: of PARENT */ };
chan to_manager[N_WORKERS] = [4] of { mtype, byte, byte };

bool is_dead[N_WORKERS];     /* its process is gone */
bool is_cut[N_WORKERS];      /* nothing arrives, neither way */
bool is_fenced[N_WORKERS];   /* its lease is over: it has ended its tasks, and left */
bool has_lost;               /* the one loss has been had */
bool has_failed;             /* … and the one failure */
bool has_parent_run;         /* an attempt of PARENT has ended well */

byte n_recorded[N_TASKS];    /* lines "done" in the journal */
byte n_running[N_TASKS];     /* attempts that live */
bool is_over;

/* ---- a worker ---- */

#define GONE (is_dead[w] || is_fenced[w])

#ifdef BREAK_CHAIN
#define HAS(owed) true
#else
#define HAS(owed) (owed == 0 || kept == owed)
#endif

/* It begins, or goes back if what it is owed is not here. */
inline begin(t_, a_, o_)
{
    if
    :: HAS(o_) ->
        task = t_;
        attempt = a_;
        n_running[task]++;
        assert(n_running[task] == 1);
        assert(!HAS_CHAIN || task != FOLLOWER || has_parent_run)
    :: else -> to_manager[w]!RETURNED, t_, a_
    fi
}

proctype worker(byte w)
{
    byte task = NONE, attempt, next = NONE, next_attempt, next_owed, kept /* attempt of PARENT */, t, a, o;

    do
    :: GONE -> break
    :: !GONE && !is_cut[w] && to_worker[w]?[RUN, t, a, o] ->
        atomic {
            to_worker[w]?RUN, t, a, o;
            if
            :: task == NONE -> begin(t, a, o)
            :: else -> assert(next == NONE); next = t; next_attempt = a; next_owed = o
            fi
        }
    :: !GONE && !is_cut[w] && to_worker[w]?[RECALL, t, a, o] ->
        atomic {
            to_worker[w]?RECALL, t, a, o;
            if
            :: next == t && next_attempt == a -> next = NONE; to_manager[w]!RETURNED, t, a
            :: else -> skip /* it has started, or even ended */
            fi
        }
    :: !GONE && !is_cut[w] && to_worker[w]?[STOP, t, a, o] -> to_worker[w]?STOP, t, a, o; break
    :: !GONE && task != NONE -> /* it ends: DONE stays on the way while the cable is cut */
        atomic {
            n_running[task]--;
            if
            :: true ->
                to_manager[w]!DONE, task, attempt;
                if
                :: HAS_CHAIN && task == PARENT -> kept = attempt; has_parent_run = true
                :: else
                fi
            :: HAS_CHAIN && task == PARENT && !has_failed -> has_failed = true; to_manager[w]!FAILED, task, attempt
            fi;
            task = NONE;
            if
            :: next != NONE -> begin(next, next_attempt, next_owed); next = NONE
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
#define BLOCKED 3

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
    state[t] = DONE_STATE;
    if
    :: t == PARENT && state[FOLLOWER] == BLOCKED -> state[FOLLOWER] = READY
    :: else
    fi
}

inline take_back(t)
{
    state[t] = (HAS_CHAIN && t == FOLLOWER && state[PARENT] != DONE_STATE -> BLOCKED : READY)
}

/* The worker goes on with what it was sent in advance. */
inline go_on(w)
{
    running[w] = advance[w];
    advance[w] = NONE;
    is_recalled[w] = false
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
            go_on(w)
        :: else -> skip /* stale */
        fi
    :: to_manager[w]?FAILED, t, a ->
        if
        :: running[w] == t && attempts[t] == a -> take_back(t); go_on(w)
        :: else -> skip
        fi
    :: to_manager[w]?RETURNED, t, a ->
        if
        :: advance[w] == t && attempts[t] == a ->
            take_back(t);
            attempts[t]--; /* it was none */
            advance[w] = NONE;
            is_recalled[w] = false
        :: running[w] == t && attempts[t] == a -> /* what it waited for here did not come */
            take_back(t);
            attempts[t]--;
            go_on(w)
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
    attempts[t]++;
    to_worker[w]!RUN, t, attempts[t], (state[t] == BLOCKED -> attempts[PARENT] : 0);
    state[t] = SENT;
    if
    :: running[w] == NONE -> running[w] = t
    :: else -> advance[w] = t
    fi
}

#define ALL_DONE (state[0] == DONE_STATE && state[1] == DONE_STATE && state[2] == DONE_STATE)
#define IDLE(w) (!is_given_up[w] && running[w] == NONE)
#define CAN_START(w) (IDLE(w) && nfull(to_worker[w]))
#define CAN_ADVANCE(w) (!IDLE(0) && !IDLE(1) && !is_given_up[w] && advance[w] == NONE && nfull(to_worker[w]))
#define CAN_CHAIN(w) (state[FOLLOWER] == BLOCKED && running[w] == PARENT && !is_given_up[w] && advance[w] == NONE && \
                      nfull(to_worker[w]))
#define CAN_HEAR(w) (!is_cut[w] && nempty(to_manager[w]))

/* One after the other, lowest first: which is sent makes no difference to the protocol. */
#define FIRST_READY (state[0] == READY -> 0 : (state[1] == READY -> 1 : (state[2] == READY -> 2 : NONE)))

active proctype manager()
{
    byte t, a, w, first;

    atomic {
        if
        :: HAS_CHAIN -> state[FOLLOWER] = BLOCKED; state[2] = DONE_STATE
        :: else
        fi;
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
            :: CAN_CHAIN(0) -> send(0, FOLLOWER)
            :: CAN_CHAIN(1) -> send(1, FOLLOWER)
            :: CAN_HEAR(0) -> hear(0)
            :: CAN_HEAR(1) -> hear(1)
            :: MAY_GIVE_UP(0) -> give_up(0)
            :: MAY_GIVE_UP(1) -> give_up(1)
            /* a task waits behind another while the other worker is idle */
            :: advance[0] != NONE && !is_recalled[0] && IDLE(1) && nfull(to_worker[0]) ->
                is_recalled[0] = true; to_worker[0]!RECALL, advance[0], attempts[advance[0]], 0;
#ifdef BREAK_RECALL
                take_back(advance[0]); advance[0] = NONE; is_recalled[0] = false
#endif
            :: advance[1] != NONE && !is_recalled[1] && IDLE(0) && nfull(to_worker[1]) ->
                is_recalled[1] = true; to_worker[1]!RECALL, advance[1], attempts[advance[1]], 0;
#ifdef BREAK_RECALL
                take_back(advance[1]); advance[1] = NONE; is_recalled[1] = false
#endif
            fi
        }
    od;
    is_over = true;
    w = 0;
    do
    :: w < N_WORKERS && nfull(to_worker[w]) -> to_worker[w]!STOP, NONE, 0, 0; w++
    :: w < N_WORKERS && (is_dead[w] || is_fenced[w]) -> w++
    :: w == N_WORKERS -> break
    od
}

ltl finishes { <> is_over }
