/* cmd: the commands of the `ganger` program. Each gets its own words (argv[0] is its name), prints what it
 * has to say and returns the exit status. */
#ifndef GANGER_LAUNCH_CMD_H
#define GANGER_LAUNCH_CMD_H

/* Of a run whose allocation ended before all was done: nothing is wrong, and there is more to do. EX_TEMPFAIL of
 * sysexits.h. */
#define EXIT_STATUS_UNFINISHED 75

struct program;

/* These may need what the program brings: see program.h. NULL with --help alone. */
int cmd_run(struct program *program, int argc, char **argv);
int cmd_check(struct program *program, int argc, char **argv);
int cmd_graph(struct program *program, int argc, char **argv);
int cmd_verify(struct program *program, int argc, char **argv);
int cmd_logs(struct program *program, int argc, char **argv);
int cmd_call(struct program *program, int argc, char **argv);

int cmd_submit(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_cancel(int argc, char **argv);
int cmd_topo(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_reach(int argc, char **argv);

#endif
