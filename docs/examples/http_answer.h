/* http_answer.h: takes the answer of an HTTP/1.1 server apart, for http_proxy.c. Strict: what could
 * be read in two ways is refused, as what a proxy and its client read differently is a hole. Pure:
 * no loop, no memory of its own; the head is cut into strings where it stands. */
#ifndef EXAMPLE_HTTP_ANSWER_H
#define EXAMPLE_HTTP_ANSWER_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

enum { ANSWER_FIELDS_MAX = 128 };

enum answer_state {
    ANSWER_LENGTH, /* so many bytes are left */
    ANSWER_REST,   /* all until the connection ends */
    ANSWER_SIZE,   /* of a chunk */
    ANSWER_EXTENSION,
    ANSWER_SIZE_LF,
    ANSWER_CHUNK,
    ANSWER_CHUNK_CR,
    ANSWER_CHUNK_LF,
    ANSWER_TRAILER,
    ANSWER_TRAILER_LINE,
    ANSWER_TRAILER_LF,
    ANSWER_LAST_LF,
    ANSWER_OVER,
};

struct answer {
    int status;
    int minor;    /* of HTTP/1. */
    bool is_last; /* of its connection */
    bool has_digit;
    uint8_t state;   /* of its body */
    uint64_t left;   /* of the body or chunk */
    int64_t length;  /* -1: nobody knows */
    unsigned fields; /* how many */
    struct {
        const char *name, *value;
    } field[ANSWER_FIELDS_MAX];
};

/* Whether a list of names has this one, in whatever case. `list` may be NULL. */
static bool is_listed(const char *list, const char *name, size_t length) {
    while (list != NULL && *list != '\0') {
        list += strspn(list, ", \t");
        size_t size = strcspn(list, ", \t");
        if (size == length && size > 0 && strncasecmp(list, name, length) == 0) return true;
        list += size;
    }
    return false;
}

/* Of one connection only (RFC 9110 §7.6.1), and the length, which is always told anew. */
static bool is_hop_by_hop(const char *name, size_t length) {
    static const char hops[] = "Connection, Keep-Alive, Proxy-Connection, Proxy-Authenticate, "
                               "Proxy-Authorization, TE, Trailer, Transfer-Encoding, Upgrade, "
                               "Content-Length";
    return is_listed(hops, name, length);
}

static const char *answer_field(const struct answer *it, const char *name, unsigned *from) {
    for (; *from < it->fields; ++*from)
        if (strcasecmp(it->field[*from].name, name) == 0) return it->field[(*from)++].value;
    return NULL;
}

/* Whether it is for this connection only, as its own Connection lines say. */
static bool answer_names(const struct answer *it, const char *name) {
    const char *list;
    for (unsigned from = 0; (list = answer_field(it, "Connection", &from)) != NULL;)
        if (is_listed(list, name, strlen(name))) return true;
    return false;
}

/* --- The head --- */

static bool answer_is_text(const char *at, const char *end) {
    for (; at < end; at++)
        if (((unsigned char)*at < ' ' && *at != '\t') || *at == 127) return false;
    return true;
}

/* "HTTP/1.1 200 OK" */
static int answer_status_line(struct answer *it, const char *at, const char *end) {
    if (end - at < 13 || memcmp(at, "HTTP/1.", 7) != 0) return -EBADMSG;
    if (at[7] < '0' || at[7] > '9' || at[8] != ' ' || at[12] != ' ') return -EBADMSG;
    if (at[9] < '1' || at[9] > '5' || strspn(at + 9, "0123456789") != 3) return -EBADMSG;
    it->minor = at[7] != '0';
    it->status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    return answer_is_text(at + 13, end) ? 0 : -EBADMSG;
}

static int answer_field_line(struct answer *it, char *at, char *end) {
    static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t length = strspn(at, token);
    if (length == 0 || at[length] != ':' || it->fields == ANSWER_FIELDS_MAX) return -EBADMSG;
    char *value = at + length + 1;
    at[length] = '\0';
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
    if (!answer_is_text(value, end)) return -EBADMSG;
    *end = '\0';
    it->field[it->fields].name = at;
    it->field[it->fields++].value = value;
    return 0;
}

/* One length, or chunks, or neither; never both, and nothing that has to be guessed. */
static int answer_framing(struct answer *it, bool is_to_head) {
    unsigned from = 0, also = 0;
    const char *length = answer_field(it, "Content-Length", &from);
    const char *coding = answer_field(it, "Transfer-Encoding", &also);
    if (answer_field(it, "Content-Length", &from) != NULL) return -EBADMSG;
    if (answer_field(it, "Transfer-Encoding", &also) != NULL) return -EBADMSG;
    if (coding != NULL && (length != NULL || it->minor == 0 || strcasecmp(coding, "chunked") != 0))
        return -EBADMSG;
    size_t digits = length != NULL ? strspn(length, "0123456789") : 0;
    if (length != NULL && (digits == 0 || digits > 18 || length[digits] != '\0')) return -EBADMSG;
    it->is_last = it->minor == 0 || answer_names(it, "close");
    it->left = 0;
    it->length = -1;
    for (size_t i = 0; i < digits; i++) it->left = it->left * 10 + (uint64_t)(length[i] - '0');
    if (length != NULL) it->length = (int64_t)it->left;
    it->has_digit = false;
    it->state = coding != NULL ? ANSWER_SIZE : length != NULL ? ANSWER_LENGTH : ANSWER_REST;
    bool is_without = is_to_head || it->status < 200 || it->status == 204 || it->status == 304;
    if (is_without || (it->state == ANSWER_LENGTH && it->left == 0)) it->state = ANSWER_OVER;
    if (it->state == ANSWER_REST) it->is_last = true;
    return 0;
}

/* Takes the head apart, of the answer to a HEAD if `is_to_head`. Returns its length; 0: there is
 * more to come; -EBADMSG. */
static ssize_t answer_head(struct answer *it, char *bytes, size_t length, bool is_to_head) {
    char *end = memmem(bytes, length, "\r\n\r\n", 4);
    it->fields = 0;
    if (end == NULL) return 0;
    end += 2;
    for (char *line = bytes, *next; line < end; line = next + 2) {
        next = memmem(line, (size_t)(end - line), "\r\n", 2);
        int err =
            line == bytes ? answer_status_line(it, line, next) : answer_field_line(it, line, next);
        if (err < 0) return err;
    }
    int err = answer_framing(it, is_to_head);
    return err < 0 ? err : end + 2 - bytes;
}

/* --- The body --- */

/* How many of `size` bytes that are next are the body's own, and not around it. */
static size_t answer_data(const struct answer *it, size_t size) {
    if (it->state == ANSWER_REST) return size;
    if (it->state != ANSWER_LENGTH && it->state != ANSWER_CHUNK) return 0;
    return size < it->left ? size : (size_t)it->left;
}

/* So many of them have been taken. */
static void answer_take_data(struct answer *it, size_t size) {
    if (it->state == ANSWER_REST) return;
    it->left -= size;
    if (it->left == 0) it->state = it->state == ANSWER_CHUNK ? ANSWER_CHUNK_CR : ANSWER_OVER;
}

static bool answer_expect(struct answer *it, char byte, char expected, enum answer_state next) {
    it->state = (uint8_t)next;
    return byte == expected;
}

static bool answer_size_byte(struct answer *it, char byte) {
    static const char digits[] = "0123456789abcdef";
    const char *digit = byte != '\0' ? strchr(digits, byte >= 'A' ? byte | 0x20 : byte) : NULL;
    if (digit == NULL) {
        it->state = byte == ';' ? ANSWER_EXTENSION : ANSWER_SIZE_LF;
        return it->has_digit && (byte == ';' || byte == '\r');
    }
    if (it->left >> 56 != 0) return false;
    it->left = it->left << 4 | (uint64_t)(digit - digits);
    it->has_digit = true;
    return true;
}

/* Takes a byte that is around the body. False: it does not belong there. */
static bool answer_take_byte(struct answer *it, char byte) {
    switch ((enum answer_state)it->state) {
    case ANSWER_SIZE:
        return answer_size_byte(it, byte);
    case ANSWER_EXTENSION:
        if (byte == '\r') it->state = ANSWER_SIZE_LF;
        return byte == '\r' || answer_is_text(&byte, &byte + 1);
    case ANSWER_SIZE_LF:
        return answer_expect(it, byte, '\n', it->left > 0 ? ANSWER_CHUNK : ANSWER_TRAILER);
    case ANSWER_CHUNK_CR:
        return answer_expect(it, byte, '\r', ANSWER_CHUNK_LF);
    case ANSWER_CHUNK_LF:
        it->has_digit = false;
        return answer_expect(it, byte, '\n', ANSWER_SIZE);
    case ANSWER_TRAILER: /* trailers are dropped */
        it->state = byte == '\r' ? ANSWER_LAST_LF : ANSWER_TRAILER_LINE;
        return byte == '\r' || answer_is_text(&byte, &byte + 1);
    case ANSWER_TRAILER_LINE:
        if (byte == '\r') it->state = ANSWER_TRAILER_LF;
        return byte == '\r' || answer_is_text(&byte, &byte + 1);
    case ANSWER_TRAILER_LF:
        return answer_expect(it, byte, '\n', ANSWER_TRAILER);
    case ANSWER_LAST_LF:
        return answer_expect(it, byte, '\n', ANSWER_OVER);
    case ANSWER_LENGTH:
    case ANSWER_REST:
    case ANSWER_CHUNK:
    case ANSWER_OVER:
    default:
        return false;
    }
}

#endif
