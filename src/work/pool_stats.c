/* pool_stats.c: histograms of the jobs of a pool, which its workers keep (worker.c).
 * Threading: any thread; pool->stats and what it points at are guarded by pool->lock. */
#include "pool.h"

#include "../core/copy.h"

#include <errno.h>
#include <string.h>

int eddy_pool_stats_start(eddy_pool *pool, eddy_pool_stats *stats) {
    if (eddy__pool_is_parents(pool)) return -ECHILD;
    eddy_os_lock(&pool->lock);
    bool is_free = pool->stats == NULL;
    if (is_free) {
        memset(stats, 0, sizeof *stats);
        pool->stats = stats;
    }
    eddy_os_unlock(&pool->lock);
    return is_free ? 0 : -EBUSY;
}

void eddy_pool_stats_stop(eddy_pool *pool) {
    if (eddy__pool_is_parents(pool)) return;
    eddy_os_lock(&pool->lock);
    pool->stats = NULL;
    eddy_os_unlock(&pool->lock);
}

int eddy_pool_read_stats(eddy_pool *pool, eddy_pool_stats *figures, size_t size) {
    if (eddy__pool_is_parents(pool)) return -ECHILD;
    eddy_os_lock(&pool->lock);
    bool is_measured = pool->stats != NULL;
    if (is_measured) copy_known(figures, size, pool->stats, sizeof *figures);
    eddy_os_unlock(&pool->lock);
    return is_measured ? 0 : -ENOENT;
}
