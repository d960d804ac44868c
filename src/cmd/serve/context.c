/* context.c: see context.h. */
#include "context.h"

#include <string.h>
#include <sys/stat.h>

static int open_log(struct context *context, const struct log_config *config) {
    struct access_log_config log_config = {.loop = context->loop};
    int err = 0;
    if (config != NULL) {
        log_config.format = config->format;
        log_config.trusts_proxy = config->trusts_proxy;
        log_config.writer = config->writer;
        if (config->writer == NULL) {
            err = log_writer_open(&context->writer, context->loop, &config->file);
            log_config.writer = &context->writer;
        }
    }
    if (err < 0) return err;
    err = access_log_open(&context->log, &log_config);
    if (err < 0) log_writer_close(&context->writer);
    return err;
}

int context_open(struct context *context, const struct context_config *config) {
    const struct policy *policy = config->policy != NULL ? config->policy : &policy_default;
    *context = (struct context){
        .loop = config->loop,
        .root = config->root,
        .policy = policy,
        .path_room = policy_room(policy),
    };
    int err = open_log(context, config->log);
    if (err < 0) return err;
    eddy_timer_init(&context->expiry, config->loop);
    eddy_unref(&context->expiry.handle);
    file_cache_init(&context->cache, config->cached_files);
    free_list_init(&context->spare_exchanges, config->exchange_bytes, 1024);
    return 0;
}

void context_close(struct context *context) {
    eddy_timer_stop(&context->expiry);
    file_cache_clear(&context->cache);
    access_log_close(&context->log);
    log_writer_close(&context->writer);
}

void context_free(struct context *context) {
    free_list_clear(&context->spare_exchanges);
}

/* --- Files --- */

unsigned context_beneath(const struct context *context) {
    return context->policy->follows_links ? 0 : EDDY_BENEATH;
}

unsigned context_resolve(struct context *context, const struct path_key *key) {
    bool is_known = known_files_have(&context->known, key, eddy_loop_now_ns(context->loop));
    return context_beneath(context) | (is_known ? 0 : (unsigned)EDDY_FILES_ONLY);
}

void context_note_kind(struct context *context, const struct path_key *key, const eddy_stat *stat) {
    known_files_note(&context->known, key, S_ISREG(stat->mode), eddy_loop_now_ns(context->loop));
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

struct cached_file *context_keep_file(struct context *context, const struct path_key *key, int fd,
                                      const eddy_stat *stat) {
    if (context->cache.count_max == 0) return NULL;
    struct cached_file *file =
        file_cache_add(&context->cache, key, fd, stat, eddy_loop_now_ns(context->loop));
    if (file != NULL) expect_expiry(context);
    return file;
}

/* As it came, what is escaped with it; but a target may hold bytes that are none of ASCII, as well,
 * which some terminals take for commands. */
void context_label(const struct context *context, const eddy_http_request *request) {
    if (context->guard == NULL) return;
    char text[EDDY_STALL_LABEL];
    size_t length, room = sizeof text - 1;
    const char *method = eddy_http_method(request), *target = eddy_http_target(request, &length);
    size_t used = strnlen(method, room - 1);
    memcpy(text, method, used);
    text[used++] = ' ';
    if (length > room - used) length = room - used;
    for (size_t i = 0; i < length; i++)
        text[used + i] = (char)(target[i] > ' ' && target[i] < 0x7F ? target[i] : '?');
    text[used + length] = '\0';
    eddy_guard_label(context->guard, text);
}
