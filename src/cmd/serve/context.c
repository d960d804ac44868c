/* context.c: see context.h. */
#include "context.h"

#include "system.h"

int context_open(struct context *context, const struct context_config *config) {
    *context = (struct context){
        .loop = config->loop,
        .root = config->root,
        .timeout_ns = config->timeout_ns,
        .random_state = config->seed,
    };
    int err = access_log_open(&context->log, config->loop, config->log);
    if (err < 0) return err;
    eddy_timer_init(&context->expiry, config->loop);
    eddy_unref(&context->expiry.handle);
    file_cache_init(&context->cache, config->cached_files);
    return 0;
}

void context_close(struct context *context) {
    eddy_timer_stop(&context->expiry);
    file_cache_clear(&context->cache);
    access_log_close(&context->log);
}

void context_free(struct context *context) {
    free_list_clear(&context->spare_connections);
    free_list_clear(&context->spare_exchanges);
    free_list_clear(&context->spare_outputs);
}

/* --- Files that are kept open --- */

static void expect_expiry(struct context *context);

/* Late is soon enough: what is too old is not found, and only takes a descriptor. Without a timer
 * it would keep it until it has to make room. */
static void on_expiry(eddy_timer *timer) {
    struct context *context = eddy_container_of(timer, struct context, expiry);
    if (file_cache_expire(&context->cache, eddy_loop_now_ns(context->loop)) >= 0)
        expect_expiry(context);
}

static void expect_expiry(struct context *context) {
    if (!eddy_is_active(&context->expiry.handle))
        (void)eddy_timer_start(&context->expiry, on_expiry, FILE_CACHE_NS, 0);
}

struct cached_file *context_keep_file(struct context *context, const char *path, int fd,
                                      const eddy_stat *stat) {
    if (context->cache.count_max == 0) return NULL;
    struct cached_file *file =
        file_cache_add(&context->cache, path, fd, stat, eddy_loop_now_ns(context->loop));
    if (file != NULL) expect_expiry(context);
    return file;
}

/* --- Time and chance --- */

int64_t context_now_s(struct context *context) {
    int64_t now_s = system_time_s();
    if (now_s != context->date_s) {
        context->date_s = now_s;
        http_date_format(context->date, now_s);
    }
    return now_s;
}

const char *context_date(struct context *context) {
    (void)context_now_s(context);
    return context->date;
}

/* SplitMix64: its output mixes a counter so that neighbours have nothing in common. */
uint64_t context_random(struct context *context) {
    uint64_t mixed = context->random_state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}
