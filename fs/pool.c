#include "fs/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "kfl/base/err.h"
#include "kfl/base/mem.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct task *head, **tail;
    bool stopping;
    unsigned threads;
    pthread_t ids[];
};

static void enqueue(struct pool *pool, struct task *task)
{
    task->queued = true;
    task->next = NULL;
    *pool->tail = task;
    pool->tail = &task->next;
    pthread_cond_signal(&pool->more);
}

static struct task *dequeue(struct pool *pool)
{
    struct task *task = pool->head;
    pool->head = task->next;
    if (!pool->head)
        pool->tail = &pool->head;
    task->queued = false;
    return task;
}

static void *work(void *context)
{
    struct pool *pool = context;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->head && !pool->stopping)
            pthread_cond_wait(&pool->more, &pool->lock);
        if (pool->stopping)
            break;
        struct task *task = dequeue(pool);
        task->running = true;
        pthread_mutex_unlock(&pool->lock);
        task->run(task);
        pthread_mutex_lock(&pool->lock);
        task->running = false;
        if (task->retired) {
            pthread_mutex_unlock(&pool->lock);
            task->release(task);
            pthread_mutex_lock(&pool->lock);
        } else if (task->again) {
            task->again = false;
            enqueue(pool, task);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int pool_start(struct pool **out, unsigned threads, struct err *err)
{
    struct pool *pool = mem_zalloc(sizeof *pool + threads * sizeof pool->ids[0]);
    pool->tail = &pool->head;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    for (; pool->threads < threads; pool->threads++) {
        int r = pthread_create(&pool->ids[pool->threads], NULL, work, pool);
        if (r) {
            pool_stop(pool);
            return err_set(err, -r, "can't start a query thread: errno=%d", r);
        }
    }
    *out = pool;
    return 0;
}

void pool_stop(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->threads; i++)
        pthread_join(pool->ids[i], NULL);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void pool_submit(struct pool *pool, struct task *task)
{
    pthread_mutex_lock(&pool->lock);
    if (task->retired)
        task->again = false;
    else if (task->running)
        task->again = true;
    else if (!task->queued)
        enqueue(pool, task);
    pthread_mutex_unlock(&pool->lock);
}

static void unqueue(struct pool *pool, struct task *task)
{
    struct task **link = &pool->head;
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    if (pool->tail == &task->next)
        pool->tail = link;
    task->queued = false;
}

void pool_retire(struct pool *pool, struct task *task)
{
    pthread_mutex_lock(&pool->lock);
    task->retired = true;
    if (task->queued)
        unqueue(pool, task);
    bool running = task->running;
    pthread_mutex_unlock(&pool->lock);
    if (!running)
        task->release(task);
}
