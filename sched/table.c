#include "sched/table.h"

#include <errno.h>
#include <string.h>

#include "kfl/base/mem.h"
#include "sched/floor.h"

/* Where the name is, or where it would be. */
static size_t place_of_name(const struct sched *sched, const char *name)
{
    size_t low = 0, high = sched->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(sched->jobs[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct job *floor_find(struct sched *sched, const char *name)
{
    size_t i = place_of_name(sched, name);

    return i < sched->count && strcmp(sched->jobs[i]->name, name) == 0 ? sched->jobs[i]
                                                                       : NULL;
}

int table_room(struct sched *sched, const char *name, struct err *err)
{
    if (floor_find(sched, name))
        return err_set(err, -EEXIST, "there is a job %s already", name);
    if (sched->count >= TABLE_JOBS_MAX)
        return err_set(err, -ENOSPC, "there are %d jobs, which is the limit",
                       TABLE_JOBS_MAX);
    return 0;
}

void table_insert(struct sched *sched, struct job *job)
{
    size_t i = place_of_name(sched, job->name);

    if (sched->count == sched->cap) {
        sched->cap = sched->cap ? 2 * sched->cap : 16;
        sched->jobs = mem_realloc(sched->jobs, sched->cap * sizeof(struct job *));
    }
    memmove(&sched->jobs[i + 1], &sched->jobs[i],
            (sched->count - i) * sizeof(struct job *));
    sched->jobs[i] = job;
    sched->count++;
}

void table_remove(struct sched *sched, struct job *job)
{
    size_t i = place_of_name(sched, job->name);

    sched->count--;
    memmove(&sched->jobs[i], &sched->jobs[i + 1],
            (sched->count - i) * sizeof(struct job *));
}
