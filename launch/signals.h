/* signals: what this program is told by its user and its system, as data to be read in its loops. */
#ifndef GANGER_LAUNCH_SIGNALS_H
#define GANGER_LAUNCH_SIGNALS_H

/* Blocks INT, TERM, HUP, USR1, USR2 and CONT, also for what this thread starts later, and returns a signalfd of them
 * (non-blocking, close-on-exec); -1 when there can be none. A HUP that is ignored when this is called, as nohup does
 * it, stays so. CONT continues this process all the same. */
int signals_open(void);

#endif
