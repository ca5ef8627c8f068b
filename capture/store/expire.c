/* Recordings and iterations go when their time is over. */
#include <string.h>

#include "capture/store/inside.h"
#include "capture/store/reserve.h"
#include "kfl/base/log.h"

/* Takes out what of the recording is over by now, or all of it (*all). Returns when
 * more will be. */
static int64_t expire_iterations(struct store *store, struct recording *recording,
                                 int64_t now, struct iteration **gone, bool *all)
{
    int64_t next = INT64_MAX;
    for (size_t i = recording->count; i-- > 0;) {
        struct iteration *iteration = recording->iterations[i];
        pthread_mutex_lock(&iteration->lock);
        int64_t at = iteration_expires_at(iteration);
        pthread_mutex_unlock(&iteration->lock);
        if (at == 0)
            continue;
        if (at > now) {
            next = at < next ? at : next;
            continue;
        }
        *all = recording->count == 1;
        if (*all)
            break;
        int result = recording_remove_iteration(store, recording, i, gone);
        if (result < 0)
            log_error("cannot delete what expired: %s recording=%s", strerror(-result),
                      recording->name);
    }
    return next;
}

int64_t store_expire(struct store *store, int64_t now)
{
    int64_t next = INT64_MAX;
    struct iteration *gone = NULL;
    pthread_mutex_lock(&store->lock);
    for (size_t i = store->count; i-- > 0;) {
        struct recording *recording = store->recordings[i];
        int64_t at = recording_expires_at(recording);
        bool all = false;
        if (recording->expires_at == EXPIRES_UNSET)
            at = expire_iterations(store, recording, now, &gone, &all);
        else if (at == 0)
            at = INT64_MAX; /* it is being recorded; it will be asked for again */
        else
            all = at <= now;
        int result = all ? recording_remove(store, recording, &gone) : 0;
        if (result < 0)
            log_error("cannot delete what expired: %s recording=%s", strerror(-result),
                      recording->name);
        else if (!all && at < next)
            next = at;
    }
    pthread_mutex_unlock(&store->lock);
    recording_delete(gone);
    reserve_renew(store, now);
    return next;
}
