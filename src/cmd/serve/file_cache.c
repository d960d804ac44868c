/* file_cache.c: see file_cache.h. */
#include "file_cache.h"

#include <string.h>

#include "system.h"

void file_cache_init(struct file_cache *cache, unsigned count_max) {
    memset(cache, 0, sizeof *cache);
    cache->count_max = count_max;
}

static struct cached_file **bucket_of(struct file_cache *cache, const struct path_key *key) {
    return &cache->buckets[path_key_place(key, FILE_CACHE_BUCKETS)];
}

static void free_unused(struct cached_file *file) {
    if (file->is_listed || file->users > 0) return;
    system_close(file->fd);
    system_free(file);
}

void file_cache_release(struct cached_file *file) {
    file->users--;
    free_unused(file);
}

bool file_cache_has_changed(const struct cached_file *file, const eddy_stat *stat) {
    return stat->links == 0 || stat->mode != file->stat.mode || stat->user != file->stat.user ||
           stat->group != file->stat.group;
}

/* It keeps its place in the list until it is the oldest. */
void file_cache_forget(struct cached_file *file) {
    file->until_ns = 0;
}

static void drop_oldest(struct file_cache *cache) {
    struct cached_file *file = cache->oldest;
    cache->oldest = file->newer;
    if (cache->oldest == NULL) cache->newest = NULL;
    struct cached_file **at = bucket_of(cache, &file->key);
    while (*at != file) at = &(*at)->next;
    *at = file->next;
    cache->count--;
    file->is_listed = false;
    free_unused(file);
}

int64_t file_cache_expire(struct file_cache *cache, int64_t now_ns) {
    while (cache->oldest != NULL && cache->oldest->until_ns <= now_ns) drop_oldest(cache);
    return cache->oldest != NULL ? cache->oldest->until_ns : -1;
}

void file_cache_clear(struct file_cache *cache) {
    while (cache->oldest != NULL) drop_oldest(cache);
}

struct cached_file *file_cache_find(struct file_cache *cache, const struct path_key *key,
                                    int64_t now_ns) {
    if (cache->count == 0) return NULL;
    struct cached_file *file = *bucket_of(cache, key);
    for (; file != NULL; file = file->next) {
        if (file->until_ns <= now_ns || !path_key_is(&file->key, key)) continue;
        file->users++;
        return file;
    }
    return NULL;
}

/* One of the same path, of a request that was under way at the same time, is no longer found: the
 * new one stands before it. */
struct cached_file *file_cache_add(struct file_cache *cache, const struct path_key *key, int fd,
                                   const eddy_stat *stat, int64_t now_ns) {
    if (cache->count_max == 0) return NULL;
    struct cached_file *file = system_resize(NULL, sizeof *file + key->length + 1);
    if (file == NULL) return NULL;
    if (cache->count == cache->count_max) drop_oldest(cache);
    struct cached_file **bucket = bucket_of(cache, key);
    *file = (struct cached_file){
        .next = *bucket,
        .until_ns = now_ns + FILE_CACHE_NS,
        .users = 1,
        .is_listed = true,
        .fd = fd,
        .stat = *stat,
        .key = {file->path, key->length, key->hash},
    };
    memcpy(file->path, key->path, key->length + 1);
    *bucket = file;
    if (cache->newest != NULL)
        cache->newest->newer = file;
    else
        cache->oldest = file;
    cache->newest = file;
    cache->count++;
    return file;
}

struct cached_file *file_cache_share(int fd) {
    struct cached_file *file = system_resize(NULL, sizeof *file);
    if (file != NULL) *file = (struct cached_file){.fd = fd, .users = 1};
    return file;
}
