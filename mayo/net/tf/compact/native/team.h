/* Threads that work together: those of an engine. team.c says how they wait. */
#ifndef MAYO_TEAM_H
#define MAYO_TEAM_H

typedef struct Team Team;

Team *team_open(int threads);               /* NULL without memory. Threads start when first needed */
void team_close(Team *);

/* work(context, thread) by each thread, 0 to threads - 1; the caller is 0. Returns when all are done. One call at a time.
   0: done; 1: no thread could be started, and nothing was done. */
int team_run(Team *, void (*work)(void *, int), void *context);

/* Waits for the other threads, within `work`; a number for all that did before is seen by all afterwards. */
void team_meet(Team *);
#endif
