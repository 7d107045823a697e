/* signals: what tells this program to end, as data to be read in its loops. */
#ifndef GANGER_LAUNCH_SIGNALS_H
#define GANGER_LAUNCH_SIGNALS_H

/* Blocks INT, TERM and HUP, also for what this thread starts later, and returns a signalfd of them
 * (non-blocking, close-on-exec); -1 when there can be none. A HUP that is ignored when this is called, as
 * nohup does it, stays so. To be called once. */
int signals_open(void);

#endif
