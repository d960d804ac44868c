/* file_cache.h: files that a server keeps open for a while, so that the next request for one need
 * not open it. Each is good for FILE_CACHE_NS after it was opened; then it is opened anew, so that
 * a path that leads elsewhere by now is found out. What is written to the file shows at once, as
 * who finds it asks for its stat. Invariant: a file is listed until it is too old, or makes room;
 * its descriptor is open until it is neither listed nor used. Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_FILE_CACHE_H
#define EDDY_CMD_SERVE_FILE_CACHE_H

#include <eddy.h>

#include "path_key.h"

#define FILE_CACHE_NS EDDY_NS_PER_S

enum { FILE_CACHE_BUCKETS = 1024 };

struct cached_file {
    struct cached_file *next;  /* in its bucket */
    struct cached_file *newer; /* in the order of opening, in which they get too old */
    int64_t until_ns;
    unsigned users;
    bool is_listed;
    int fd;
    eddy_stat stat;
    struct path_key key; /* of the path behind it */
    char path[];
};

struct file_cache {
    unsigned count, count_max; /* listed; 0: there is no cache */
    struct cached_file *oldest, *newest;
    struct cached_file *buckets[FILE_CACHE_BUCKETS];
};

void file_cache_init(struct file_cache *cache, unsigned count_max);
/* Closes what nobody uses; users release the rest later. */
void file_cache_clear(struct file_cache *cache);

/* The file, with one more user, or NULL: it is not there, or too old. */
struct cached_file *file_cache_find(struct file_cache *cache, const struct path_key *key,
                                    int64_t now_ns);
/* Takes `fd` over, and lists it in place of what was there of this path. One user. NULL: there is
 * no cache, or no memory, and `fd` stays the caller's. */
struct cached_file *file_cache_add(struct file_cache *cache, const struct path_key *key, int fd,
                                   const eddy_stat *stat, int64_t now_ns);
/* Takes `fd` over without listing it, for several to use: it is closed after the last one. One
 * user. NULL: no memory, and `fd` stays the caller's. */
struct cached_file *file_cache_share(int fd);
/* Whether, by its stat of now, its path is to be asked again: its last name is gone, or others may
 * read it. */
bool file_cache_has_changed(const struct cached_file *file, const eddy_stat *stat);
/* It is found no more. */
void file_cache_forget(struct cached_file *file);
void file_cache_release(struct cached_file *file);

/* Drops what is too old. Returns when the next one will be, or -1: none is left. */
int64_t file_cache_expire(struct file_cache *cache, int64_t now_ns);

#endif
