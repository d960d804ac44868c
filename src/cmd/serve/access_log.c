/* access_log.c: see access_log.h.
 * Invariant: `filling` has at least one line, or room for one, or is NULL; a block that is not full
 * is with the writer only while no other is. */
#include "access_log.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "system.h"

enum {
    BLOCKS_KEPT = 2,
    BLOCKS_FREE_FOR_ALL = ACCESS_LOG_BLOCKS / 2,
    BLOCK_BYTES = sizeof((struct log_block *)NULL)->bytes,
    /* What a group may have taken before a line: with all lines as long as can be, all the groups'
     * shares are what the other blocks hold. */
    GROUP_BYTES =
        (ACCESS_LOG_BLOCKS - BLOCKS_FREE_FOR_ALL) * (BLOCK_BYTES - LINE_BYTES_MAX) / PEER_GROUPS -
        LINE_BYTES_MAX,
};

_Static_assert(GROUP_BYTES > 0 && GROUP_BYTES + LINE_BYTES_MAX <= UINT16_MAX, "a share fits");

/* --- Blocks --- */

static void take_back(struct log_block *block);

static struct log_block *make_block(struct access_log *log) {
    if (log->blocks == ACCESS_LOG_BLOCKS) return NULL;
    struct log_block *block = system_resize(NULL, sizeof *block);
    if (block == NULL) return NULL;
    block->give_back = take_back;
    block->owner = log;
    log->blocks++;
    return block;
}

static struct log_block *take_block(struct access_log *log) {
    struct log_block *block = log->spare;
    if (block != NULL)
        log->spare = block->next;
    else
        block = make_block(log);
    if (block != NULL) block->used = block->lines = 0;
    return block;
}

static void keep_or_free(struct access_log *log, struct log_block *block) {
    if (log->blocks > BLOCKS_KEPT) {
        log->blocks--;
        system_free(block);
        return;
    }
    block->next = log->spare;
    log->spare = block;
}

static void hand_over(struct access_log *log) {
    struct log_block *block = log->filling;
    log->filling = NULL;
    log->out++;
    if (log->loop == log->writer->loop)
        log_writer_put(log->writer, block);
    else
        log_writer_send(log->writer, block);
}

void access_log_flush(struct access_log *log) {
    if (log->filling != NULL && log->filling->used > 0) hand_over(log);
}

static void on_flush(eddy_defer *defer) {
    struct access_log *log = eddy_container_of(defer, struct access_log, flush);
    if (log->out == 0) access_log_flush(log);
}

static void on_returned_block(struct access_log *log, struct log_block *block) {
    log->out--;
    keep_or_free(log, block);
    if (log->is_shared_out && log->out < BLOCKS_FREE_FOR_ALL) {
        memset(log->taken, 0, sizeof log->taken);
        log->is_shared_out = false;
    }
    if (log->out == 0) access_log_flush(log);
}

static void on_returned(eddy_wake *wake) {
    struct access_log *log = eddy_container_of(wake, struct access_log, returned);
    struct log_block *block = log_passage_take(&log->passage);
    while (block != NULL) {
        struct log_block *next = block->next;
        on_returned_block(log, block);
        block = next;
    }
}

static void take_back(struct log_block *block) {
    struct access_log *log = block->owner;
    if (log->loop == log->writer->loop) {
        on_returned_block(log, block);
        return;
    }
    log_passage_push(&log->passage, block);
    eddy_wake_send(&log->returned);
}

/* --- Lines --- */

/* A block with room for any line. */
static struct log_block *find_room(struct access_log *log) {
    if (log->filling != NULL && log->filling->used + LINE_BYTES_MAX > BLOCK_BYTES) hand_over(log);
    if (log->filling == NULL) log->filling = take_block(log);
    return log->filling;
}

/* By the address, or the network of a client of IPv6, who has as many addresses as it likes. */
static unsigned group_of(const struct access_log *log, const struct sockaddr *peer) {
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    uint64_t address = 0;
    if (peer->sa_family == AF_INET) {
        memcpy(&in, peer, sizeof in);
        address = in.sin_addr.s_addr;
    } else if (peer->sa_family == AF_INET6) {
        memcpy(&in6, peer, sizeof in6);
        memcpy(&address, &in6.sin6_addr, sizeof address);
    }
    address = (address ^ log->seed) * UINT64_C(0x9e3779b97f4a7c15);
    address = (address ^ address >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)(address >> 58);
}

_Static_assert(PEER_GROUPS == 1 << (64 - 58), "a group for each number of group_of");

void access_log_put(struct access_log *log, const struct access_line *line) {
    if (log->writer == NULL || log_writer_is_over(log->writer)) return;
    struct log_block *block = find_room(log);
    uint16_t *taken = NULL;
    if (log->out >= BLOCKS_FREE_FOR_ALL) taken = &log->taken[group_of(log, line->peer)];
    if (block == NULL || (taken != NULL && *taken > GROUP_BYTES)) {
        log_writer_lose(log->writer, 1);
        return;
    }
    struct text text = {block->bytes, BLOCK_BYTES, block->used};
    access_line_put(&text, log->format, line, &log->stamp, system_time_ns());
    if (taken != NULL) {
        *taken = (uint16_t)(*taken + text.length - block->used);
        log->is_shared_out = true;
    }
    block->used = (uint32_t)text.length;
    block->lines++;
    if (log->out == 0) (void)eddy_defer_start(&log->flush, on_flush); /* -EALREADY is as good */
}

/* --- Its beginning and end --- */

int access_log_open(struct access_log *log, const struct access_log_config *config) {
    uint64_t seed = 0; /* without one a client may choose whose group it is in */
    if (config->writer != NULL) (void)system_random(&seed);
    *log = (struct access_log){
        .loop = config->loop,
        .writer = config->writer,
        .format = config->format,
        .trusts_proxy = config->trusts_proxy,
        .stamp = {.second = -1},
        .seed = seed,
    };
    eddy_defer_init(&log->flush, log->loop);
    eddy_wake_init(&log->returned, log->loop);
    eddy_unref(&log->returned.handle);
    if (log->writer == NULL) return 0;
    log->filling = take_block(log);
    if (log->filling == NULL) return -ENOMEM;
    int err = eddy_wake_start(&log->returned, on_returned);
    if (err < 0) access_log_close(log);
    return err;
}

void access_log_close(struct access_log *log) {
    if (log->writer == NULL) return;
    eddy_wake_stop(&log->returned);
    eddy_defer_stop(&log->flush);
    if (log->filling != NULL && log->filling->lines > 0 && !log_writer_is_over(log->writer))
        atomic_fetch_add(&log->writer->lost, log->filling->lines); /* its close tells */
    system_free(log->filling);
    struct log_block *lists[] = {log->spare, log_passage_take(&log->passage)};
    for (int i = 0; i < 2; i++) {
        for (struct log_block *block = lists[i]; block != NULL;) {
            struct log_block *next = block->next;
            system_free(block);
            block = next;
        }
    }
    log->writer = NULL;
}
