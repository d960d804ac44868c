/* access_log.c: see access_log.h.
 * Invariant: at most one write is under way, of `writing`; lines go to `filling` meanwhile. */
#include "access_log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "system.h"
#include "text.h"

static void write_out(struct access_log *log);

int access_log_open(struct access_log *log, eddy_loop *loop, bool enabled) {
    *log = (struct access_log){.loop = loop, .stamp_s = -1};
    eddy_defer_init(&log->flush, loop);
    if (!enabled) return 0;
    log->filling = system_resize(NULL, ACCESS_LOG_BYTES);
    log->writing = system_resize(NULL, ACCESS_LOG_BYTES);
    if (log->filling != NULL && log->writing != NULL) return 0;
    access_log_close(log);
    return -ENOMEM;
}

void access_log_close(struct access_log *log) {
    if (log->dropped > 0)
        system_say("stdout was too slow, so %llu lines of the log are missing",
                   (unsigned long long)log->dropped);
    if (!log->is_writing) system_free(log->writing);
    system_free(log->filling);
    log->filling = log->writing = NULL;
    log->dropped = 0;
}

static void give_up(struct access_log *log, int err) {
    char text[64];
    system_say("the log ends here, stdout failed: %s", eddy_strerror(err, text, sizeof text));
    system_free(log->filling);
    system_free(log->writing);
    log->filling = log->writing = NULL;
}

static void on_written(eddy_file *file) {
    struct access_log *log = eddy_container_of(file, struct access_log, write);
    int64_t result = file->result;
    log->is_writing = false;
    /* A short count is an error that came after some bytes; the next write would tell which. */
    if (result < (int64_t)log->writing_bytes) {
        give_up(log, result < 0 ? (int)result : -EIO);
    } else if (log->used > 0) {
        write_out(log);
    }
}

static void write_out(struct access_log *log) {
    char *full = log->filling;
    log->filling = log->writing;
    log->writing = full;
    log->writing_bytes = log->used;
    log->used = 0;
    int err = eddy_file_write(log->loop, &log->write, STDOUT_FILENO, log->writing,
                              log->writing_bytes, -1, on_written);
    log->is_writing = err == 0;
    if (err < 0) give_up(log, err);
}

static void on_flush(eddy_defer *defer) {
    struct access_log *log = eddy_container_of(defer, struct access_log, flush);
    if (log->filling != NULL && !log->is_writing && log->used > 0) write_out(log);
}

static void put_two(struct text *text, int number) {
    char digits[2] = {(char)('0' + number / 10), (char)('0' + number % 10)};
    text_put(text, digits, 2);
}

/* "[24/Nov/2026:06:52:41 +0000]", made once a second. */
static void refresh_stamp(struct access_log *log) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t now_s = system_time_s();
    if (now_s == log->stamp_s) return;
    time_t time = (time_t)now_s;
    struct tm civil = {0};
    (void)gmtime_r(&time, &civil);
    struct text text = {log->stamp, sizeof log->stamp - 1, 0};
    text_put_literal(&text, "[");
    put_two(&text, civil.tm_mday);
    text_put_literal(&text, "/");
    text_put(&text, months + 3 * civil.tm_mon, 3);
    text_put_literal(&text, "/");
    text_put_number(&text, (uint64_t)civil.tm_year + 1900);
    text_put_literal(&text, ":");
    put_two(&text, civil.tm_hour);
    text_put_literal(&text, ":");
    put_two(&text, civil.tm_min);
    text_put_literal(&text, ":");
    put_two(&text, civil.tm_sec);
    text_put_literal(&text, " +0000]");
    log->stamp[text.length] = '\0';
    log->stamp_s = now_s;
}

/* What a client wrote must neither end the quotes nor reach the terminal of a reader. */
static void put_escaped(struct text *text, const char *bytes, size_t length) {
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
            text_put(text, bytes + i, 1);
        } else {
            char escape[4] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
            text_put(text, escape, sizeof escape);
        }
    }
}

/* The address alone, as logs have it. */
static void put_peer(const struct sockaddr *peer, char *text, size_t size) {
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    text[0] = '-';
    text[1] = '\0';
    if (peer->sa_family == AF_INET) {
        memcpy(&in, peer, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, text, (socklen_t)size);
    } else if (peer->sa_family == AF_INET6) {
        memcpy(&in6, peer, sizeof in6);
        inet_ntop(AF_INET6, &in6.sin6_addr, text, (socklen_t)size);
    }
}

void access_log_put(struct access_log *log, const struct access_line *line) {
    if (log->filling == NULL) return;
    char peer[INET6_ADDRSTRLEN];
    put_peer(line->peer, peer, sizeof peer);
    refresh_stamp(log);
    struct text text = {log->filling, ACCESS_LOG_BYTES, log->used};
    text_put_string(&text, peer);
    text_put_literal(&text, " - - ");
    text_put_string(&text, log->stamp);
    text_put_literal(&text, " \"");
    if (line->request != NULL)
        put_escaped(&text, line->request, line->request_length);
    else
        text_put_literal(&text, "-");
    text_put_literal(&text, "\" ");
    text_put_number(&text, (uint64_t)line->status);
    text_put_literal(&text, " ");
    if (line->body_bytes > 0)
        text_put_number(&text, (uint64_t)line->body_bytes);
    else
        text_put_literal(&text, "-");
    text_put_literal(&text, "\n");
    if (!text_fits(&text)) {
        log->dropped++;
        return;
    }
    log->used = text.length;
    if (!log->is_writing) (void)eddy_defer_start(&log->flush, on_flush); /* -EALREADY is as good */
}
