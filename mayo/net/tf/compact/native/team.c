/* Threads that wait for each other many times in a millisecond, on a machine that they may not have for themselves.

   A thread that waits looks again and again for a while, since what it waits for mostly comes within microseconds, and then sleeps
   until it is woken, since on a busy machine the other thread may not even be running. A process made by fork has none of the
   threads of its parent: a team finds that out and starts its own. */
#define _GNU_SOURCE
#include "team.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOOKS = 1000 };                      /* before a thread sleeps: about 50 microseconds */

struct Team {
    int threads;
    pid_t process;                          /* whose threads the workers are; 0: they are not started */
    pthread_t *workers;                     /* threads 1 and up */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_int sleeping;                    /* how many wait for `changed` */
    atomic_int turn, meeting, arrived;      /* turn: counts calls of team_run; meeting: meetings; arrived: at the next one */
    atomic_int stopping;
    void (*work)(void *, int);
    void *context;
};

typedef struct {
    Team *team;
    int thread, turn;                       /* turn: of the call before */
} Worker;

static void rest(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Returns when `number` is no longer `old`. */
static void wait_for(Team *team, atomic_int *number, int old)
{
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load(number) != old)
            return;
        rest();
    }
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->sleeping, 1);   /* before the next look: who changes the number afterwards sees it */
    while (atomic_load(number) == old)
        pthread_cond_wait(&team->changed, &team->lock);
    atomic_fetch_sub(&team->sleeping, 1);
    pthread_mutex_unlock(&team->lock);
}

static void count(Team *team, atomic_int *number)
{
    atomic_fetch_add(number, 1);
    if (atomic_load(&team->sleeping)) {
        pthread_mutex_lock(&team->lock);
        pthread_cond_broadcast(&team->changed);
        pthread_mutex_unlock(&team->lock);
    }
}

void team_meet(Team *team)
{
    int meeting = atomic_load(&team->meeting);
    if (atomic_fetch_add(&team->arrived, 1) + 1 == team->threads) {
        atomic_store(&team->arrived, 0);
        count(team, &team->meeting);
    } else
        wait_for(team, &team->meeting, meeting);
}

static void *serve(void *argument)
{
    Worker worker = *(Worker *)argument;
    free(argument);
    for (;; worker.turn++) {
        wait_for(worker.team, &worker.team->turn, worker.turn);
        if (atomic_load(&worker.team->stopping))
            return NULL;
        worker.team->work(worker.team->context, worker.thread);
        team_meet(worker.team);
    }
}

/* Ends `started` workers. */
static void stop(Team *team, int started)
{
    atomic_store(&team->stopping, 1);
    count(team, &team->turn);
    for (int t = 0; t < started; t++)
        pthread_join(team->workers[t], NULL);
    team->process = 0;
}

/* Starts the workers where this process has none yet. 0: they are there. */
static int start(Team *team)
{
    if (team->process == getpid())
        return 0;
    pthread_mutex_init(&team->lock, NULL);  /* anew after a fork, in the middle of which others may have held it */
    pthread_cond_init(&team->changed, NULL);
    atomic_store(&team->sleeping, 0);
    atomic_store(&team->arrived, 0);
    atomic_store(&team->stopping, 0);
    for (int t = 1; t < team->threads; t++) {
        Worker *worker = malloc(sizeof *worker);
        if (worker)
            *worker = (Worker){team, t, atomic_load(&team->turn)};
        if (!worker || pthread_create(team->workers + t - 1, NULL, serve, worker)) {
            free(worker);
            stop(team, t - 1);
            return 1;
        }
    }
    team->process = getpid();
    return 0;
}

int team_run(Team *team, void (*work)(void *, int), void *context)
{
    if (team->threads == 1) {
        work(context, 0);
        return 0;
    }
    if (start(team))
        return 1;
    team->work = work;
    team->context = context;
    count(team, &team->turn);
    work(context, 0);
    team_meet(team);
    return 0;
}

Team *team_open(int threads)
{
    Team *team = calloc(1, sizeof *team);
    if (!team)
        return NULL;
    team->threads = threads < 1 ? 1 : threads;
    team->workers = calloc((size_t)team->threads, sizeof(pthread_t));
    if (!team->workers) {
        free(team);
        return NULL;
    }
    return team;
}

void team_close(Team *team)
{
    if (team->process && team->process == getpid())
        stop(team, team->threads - 1);
    free(team->workers);
    free(team);
}
