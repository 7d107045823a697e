#include "io/comm_mpi_parts.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/filter.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* The launcher's variable and MPI must agree on the number of ranks: a program started by the mpirun
 * of another MPI sees itself alone, many times. */
int start_check_size(uint32_t size, struct ganger_error *err)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && size == 1 && atoi(value) > 1)
            return error_set(err, ERROR_SYSTEM,
                             "the launcher says %s ranks (%s), MPI says 1: this ganger is linked with %s; "
                             "start it with the mpirun that belongs to it",
                             value, names[i], comm_mpi_library());
    }
    return 0;
}

#define SETTLE_MS 500

/* Where srun starts the ranks, one may leave MPI_Init while another is still in its first fence (seen with Slurm 22.05,
 * PMIx 4.2 and Open MPI 4.1, in 3 of 100 starts on two busy nodes; reported of later ones). A message to that one ends
 * it by a segmentation fault, so nobody speaks at once. */
void start_settle(void)
{
    const char *job = getenv("PMIX_NAMESPACE");

    if (job != NULL && strncmp(job, "slurm.", 6) == 0)
        poll(NULL, 0, SETTLE_MS);
}

/* A number that nobody can guess. */
static uint64_t draw(void)
{
    uint64_t number;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        number = (uint64_t)getpid() << 32 ^ (uint64_t)(clock_wall_s() * 1e6);
    return number;
}

/* Finds out who is on which node, and agrees on names. Collective. */
static void introduce(struct comm_mpi *m, MPI_Comm node)
{
    struct introduction
    {
        uint32_t first_rank; /* lowest rank on the sender's node */
        uint32_t unused;
        uint64_t token;
        struct bell bell;
    } mine = {m->comm.rank, 0, draw(), {draw(), draw()}}, *all = xcalloc(m->comm.size, sizeof(*all));
    uint32_t *nodes = xcalloc(m->comm.size, sizeof(*nodes));
    uint32_t n_nodes = 0;

    MPI_Bcast(&mine.first_rank, 1, MPI_UINT32_T, 0, node);
    MPI_Allgather(&mine, sizeof(mine), MPI_BYTE, all, sizeof(mine), MPI_BYTE, MPI_COMM_WORLD);
    m->token = all[0].token;
    m->place_of = xcalloc(m->comm.size, sizeof(*m->place_of));
    m->bells = xcalloc(m->comm.size, sizeof(*m->bells));
    for (uint32_t rank = 0; rank < m->comm.size; rank++) {
        uint32_t first = all[rank].first_rank;

        m->bells[rank] = all[rank].bell;
        nodes[rank] = first == rank ? n_nodes++ : nodes[first];
        for (uint32_t other = first; other < rank && first == mine.first_rank; other++)
            m->place_of[rank] += all[other].first_rank == first;
    }
    m->comm.nodes = nodes;
    for (uint32_t rank = 0; rank < m->comm.size; rank++)
        m->has_far |= nodes[rank] != nodes[m->comm.rank] && (rank == 0 || m->comm.rank == 0);
    free(all);
}

/* Rank 0 exchanges a byte with each of the others. MPI asks mpirun for a peer's address when it first speaks to it
 * or hears from it, and mpirun is stopped as soon as all have come together (launch/mpirun.h): what asked only then
 * would wait for ever. Collective; no message may have been sent, and no receive be posted. */
static void greet(const struct comm_mpi *m)
{
    struct greeting
    {
        MPI_Request said, heard;
        char bytes[2];
    } *each;
    uint32_t n = m->comm.rank == 0 ? m->comm.size - 1 : 1;

    each = xcalloc(n, sizeof(*each));
    for (uint32_t i = 0; i < n; i++) {
        int peer = m->comm.rank == 0 ? (int)i + 1 : 0;

        MPI_Irecv(&each[i].bytes[0], 1, MPI_BYTE, peer, TAG_GREETING, MPI_COMM_WORLD, &each[i].heard);
        MPI_Isend(&each[i].bytes[1], 1, MPI_BYTE, peer, TAG_GREETING, MPI_COMM_WORLD, &each[i].said);
    }
    for (uint32_t i = 0; i < n; i++) {
        MPI_Wait(&each[i].heard, MPI_STATUS_IGNORE);
        MPI_Wait(&each[i].said, MPI_STATUS_IGNORE);
    }
    free(each);
}

void start_meet(struct comm_mpi *m, MPI_Comm node)
{
    introduce(m, node);
    if (!comm_is_one_node(&m->comm))
        greet(m);
}

/* ---- what the ranks of a node share ---- */

socklen_t start_bell_address(struct sockaddr_un *address, const struct bell *bell)
{
    int n;

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX; /* abstract name: it needs no file and leaves none */
    n = snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "ganger.%016llx",
                 (unsigned long long)bell->name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* Only what begins with our key reaches the socket. A kernel that cannot filter lets strangers wake us, and no more. */
static void ignore_strangers(int fd, const struct bell *bell)
{
    uint32_t key[2];
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* too short: away with it */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sizeof(key[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, sizeof(key)),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog filter = {sizeof(code) / sizeof(*code), code};

    memcpy(key, &bell->key, sizeof(key));
    code[1].k = ntohl(key[0]); /* a filter sees big-endian numbers */
    code[3].k = ntohl(key[1]);
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

static int open_bell(struct comm_mpi *m, struct ganger_error *err)
{
    const struct bell *bell = &m->bells[m->comm.rank];
    struct sockaddr_un address;
    socklen_t n = start_bell_address(&address, bell);

    m->bell = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (m->bell >= 0)
        ignore_strangers(m->bell, bell);
    if (m->bell < 0 || bind(m->bell, (struct sockaddr *)&address, n) < 0)
        return error_set_errno(err, ERROR_SYSTEM, "rank %u cannot open its doorbell", m->comm.rank);
    return 0;
}

/* Nobody else can have made it, if it is ours. */
static bool is_own_file(int fd)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return false;
    errno = EACCES;
    return status.st_uid == geteuid();
}

/* Finds its parts; and says who we are. */
static void share_page(struct comm_mpi *m, uint32_t n_local)
{
    struct node_numbers *numbers = (struct node_numbers *)(m->places + n_local);

    m->comm.node_counter = &numbers->counter;
    m->comm.heard_us = &numbers->heard_us;
    m->comm.pids = (_Atomic int32_t *)(numbers + 1);
    m->comm.groups = m->comm.pids + n_local;
    m->comm.node_places = m->place_of;
    atomic_store(&m->comm.pids[m->place_of[m->comm.rank]], (int32_t)getpid());
}

/* The page that the node's ranks share. Its name exists only while they open it. Collective on `node`. */
static int open_page(struct comm_mpi *m, MPI_Comm node, struct ganger_error *err)
{
    char name[64];
    int local_rank, n_local, fd;

    MPI_Comm_rank(node, &local_rank);
    MPI_Comm_size(node, &n_local);
    snprintf(name, sizeof(name), "/ganger-%016llx-%u", (unsigned long long)m->token,
             m->comm.nodes[m->comm.rank]);
    m->page_bytes = (size_t)n_local * (sizeof(struct place) + 2 * sizeof(int32_t)) + sizeof(struct node_numbers);
    if (local_rank != 0)
        MPI_Barrier(node);
    fd = shm_open(name, local_rank == 0 ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, 0600);
    if (fd >= 0 && is_own_file(fd) && (local_rank != 0 || ftruncate(fd, (off_t)m->page_bytes) == 0))
        m->places = mmap(NULL, m->page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (m->places == MAP_FAILED)
        m->places = NULL;
    if (m->places != NULL)
        share_page(m, (uint32_t)n_local);
    else
        error_set_errno(err, ERROR_SYSTEM, "rank %u cannot share memory with its node (/dev/shm%s)",
                        m->comm.rank, name);
    if (fd >= 0)
        close(fd);
    if (local_rank == 0)
        MPI_Barrier(node);
    MPI_Barrier(node);
    if (local_rank == 0)
        shm_unlink(name);
    if (m->places == NULL)
        return -1;
    return 0;
}

int start_open_node(struct comm_mpi *m, MPI_Comm node, struct ganger_error *err)
{
    bool is_open = open_bell(m, err) == 0;

    is_open &= open_page(m, node, err) == 0; /* others wait for us in it, whatever came before */
    return is_open ? 0 : -1;
}

/* ---- what is taken from MPI ---- */

/* Open MPI's segment of this rank in /dev/shm, 4 MiB, which would outlive a killed mpirun. By now all of
 * the node have attached to it, so its name is needed no more. Its name is VADER.host.uid.job.rank, the
 * job in hexadecimal. False: there is none, its messages go by other ways. */
static bool remove_segment_name(int local_rank)
{
    const char *job = getenv("OMPI_MCA_ess_base_jobid");
    bool is_there = false;
    char pattern[128];
    glob_t found;

    if (job == NULL)
        return false;
    snprintf(pattern, sizeof(pattern), "/dev/shm/vader_segment.*.%u.%lx.%d", (unsigned)geteuid(),
             strtoul(job, NULL, 10), local_rank);
    if (glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc == 1)
        is_there = unlink(found.gl_pathv[0]) == 0;
    globfree(&found);
    return is_there;
}

static int option_of(int fd, int name)
{
    int value = -1;
    socklen_t n = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &n) < 0 ? -1 : value;
}

/* Open MPI listens on all of the host's addresses, in case that some rank wants to connect; when all of them share
 * memory none ever will, but anybody else could. In a socket's place comes a descriptor that nothing happens to, since
 * Open MPI will close that number in the end. */
static void stop_listening(void)
{
    DIR *fds = opendir("/proc/self/fd");
    int quiet = eventfd(0, EFD_CLOEXEC);
    const struct dirent *entry;

    while (fds != NULL && quiet >= 0 && (entry = readdir(fds)) != NULL) {
        int fd = atoi(entry->d_name), domain = option_of(fd, SO_DOMAIN);

        if ((domain == AF_INET || domain == AF_INET6) && option_of(fd, SO_ACCEPTCONN) == 1)
            dup3(quiet, fd, O_CLOEXEC);
    }
    if (fds != NULL)
        closedir(fds);
    if (quiet >= 0)
        close(quiet);
}

/* What a run on one node does not need. Collective on `node`, the whole of it. */
static void trim_node(MPI_Comm node)
{
    int rank, mine, all = 0;

    MPI_Comm_rank(node, &rank);
    mine = remove_segment_name(rank);
    MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, node);
    if (all)
        stop_listening();
}

/* mpirun --oversubscribe makes Open MPI call sched_yield at each look that finds nothing. That is right
 * for ranks that spin, as all do until here; we sleep instead, and a yield only costs (3 % of a run of
 * short commands). There is no public call for it. */
static void stop_yielding(void)
{
    bool (*set_yield)(bool) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, "opal_progress_set_yield_when_idle");

    memcpy(&set_yield, &symbol, sizeof(symbol));
    if (set_yield != NULL)
        set_yield(false);
}

static int explain_nothing(const char *file, const char *topic, bool has_header, ...)
{
    (void)file, (void)topic, (void)has_header;
    return 0;
}

/* When a peer dies, Open MPI explains at length that this should not happen, and waits until mpirun has taken that: an
 * mpirun that is stopped (see launch/mpirun.h) never does. Who is gone we find out by ourselves. There is no
 * public call for it, either. */
static void stop_explaining(void)
{
    int (**show_help)(const char *, const char *, bool, ...) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, "opal_show_help");

    memcpy(&show_help, &symbol, sizeof(symbol));
    if (show_help != NULL)
        *show_help = explain_nothing;
}

/* Open MPI's event loops wait in epoll (see comm_open_mpi), and what epoll waits in can be waited for itself: it is
 * readable when any of their sockets is. So a rank sleeps until the network has something, whatever connections come
 * and go. Networks without sockets tell nothing in this way; net_tells learns which it is. To be called before anybody
 * else in this process makes one. */
static void find_net_fds(struct comm_mpi *m)
{
    DIR *dir = m->has_far ? opendir("/proc/self/fd") : NULL;
    const struct dirent *entry;
    char target[32];

    while (dir != NULL && (entry = readdir(dir)) != NULL && m->n_net_fds < NET_FDS_MAX) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));

        if (n == (ssize_t)strlen("anon_inode:[eventpoll]") && strncmp(target, "anon_inode:[eventpoll]", (size_t)n) == 0)
            m->net_fds[m->n_net_fds++] = atoi(entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    m->net_tells = m->n_net_fds > 0; /* where that is wrong, the first message that nobody told of shows it */
}

void start_trim(struct comm_mpi *m, MPI_Comm node, bool leaves_at_once)
{
    if (leaves_at_once)
        trim_node(node);
    stop_yielding();
    if (!comm_is_one_node(&m->comm))
        stop_explaining();
    find_net_fds(m);
}
