/* show_playback.c: see show_playback.h. */
#include "show_playback.h"
#include "json.h"

#include <eddy.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const events[] = {"hello", "state", "records", "stall",
                                     "model", "said",  "costs",   "way"};
enum { EVENTS = 6 }; /* the others are answers */

/* A whole number that is not negative. */
static bool read_time(const char *text, size_t length, int64_t *time_ms) {
    int64_t sum = 0;
    if (length == 0 || length > 15) return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        sum = sum * 10 + (text[i] - '0');
    }
    *time_ms = sum;
    return true;
}

/* Returns what is wrong, or NULL. */
static const char *parse_line(struct show_line *line, const char *text, size_t length) {
    const char *why = NULL, *value;
    size_t size;
    if (!json_check(text, length, &why)) return why;
    if (!json_find(text, length, "at_ms", &value, &size) || !read_time(value, size, &line->at_ms))
        return "\"at_ms\" is no number of milliseconds";
    if (!json_find(text, length, "event", &value, &size)) return "\"event\" is missing";
    line->event[0] = '\0';
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (size == strlen(events[i]) + 2 && memcmp(value + 1, events[i], size - 2) == 0) {

            snprintf(line->event, sizeof line->event, "%s", events[i]);
            line->is_answer = i >= EVENTS;
        }
    if (line->event[0] == '\0') return "\"event\" is none that there is";
    if (!json_find(text, length, "data", &value, &size) || *value != '{')
        return "\"data\" is no object";
    if (size > (line->is_answer ? PLAYBACK_ANSWER_MAX : PLAYBACK_DATA_MAX))
        return "\"data\" is too long";
    line->data = value;
    line->data_bytes = (unsigned)size;
    return NULL;
}

/* The page is told that it is a recording, whatever the file says. */
static int make_hello(struct show_playback *playback) {
    const struct show_line *line = &playback->lines[0];
    const char *value, *rest = line->data + 1, *end = line->data + line->data_bytes;
    size_t size;
    playback->hello = malloc(line->data_bytes + 64);
    if (playback->hello == NULL) return -ENOMEM;
    const char *comma = rest;
    while (comma < end && strchr(" \t\r\n", *comma) != NULL) comma++;
    bool is_empty = *comma == '}';
    char *to = playback->hello;
    to += sprintf(to, "{\"recorded\":true%s", is_empty ? "" : ",");
    /* Of two members of one name the last one counts in a browser: so the other one is renamed. */
    if (json_find(line->data, line->data_bytes, "recorded", &value, &size)) {
        const char *key = value;
        while (key > rest && memcmp(key - 1, "\"", 1) != 0) key--;
        size_t before = (size_t)(key - 2 - rest);
        memcpy(to, rest, before);
        to += before;
        *to++ = 'D';
        rest += before + 1;
    }
    memcpy(to, rest, (size_t)(end - rest));
    playback->hello_bytes = (size_t)(to - playback->hello) + (size_t)(end - rest);
    return 0;
}

static size_t count_lines(const char *text, size_t bytes) {
    size_t count = bytes > 0 && text[bytes - 1] != '\n';
    for (size_t i = 0; i < bytes; i++) count += text[i] == '\n';
    return count;
}

static const char *parse_all(struct show_playback *playback) {
    const char *at = playback->text, *end = at + playback->bytes;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        struct show_line *line = &playback->lines[playback->count];
        const char *why = parse_line(line, at, (size_t)(stop - at));
        if (why != NULL) return why;
        bool is_hello = strcmp(line->event, "hello") == 0;
        if (is_hello != (playback->count == 0))
            return is_hello ? "another \"hello\"" : "the first event is not \"hello\"";
        if (playback->count > 0 && line->at_ms < line[-1].at_ms) return "\"at_ms\" goes back";
        playback->count++;
        at = stop + 1;
    }
    return playback->count == 0 ? "the file is empty" : NULL;
}

int show_playback_parse(struct show_playback *playback, char *text, size_t bytes, char *error,
                        size_t error_size) {
    *playback = (struct show_playback){.text = text, .bytes = bytes};
    playback->lines = calloc(count_lines(text, bytes) + 1, sizeof *playback->lines);
    const char *why = playback->lines != NULL ? parse_all(playback) : NULL;
    int err = playback->lines == NULL ? -ENOMEM : why != NULL ? -EINVAL : make_hello(playback);
    if (err == 0) return 0;
    if (why != NULL)
        snprintf(error, error_size, "line %zu: %s", playback->count + 1, why);
    else
        snprintf(error, error_size, "no memory for it");
    show_playback_free(playback);
    return err;
}

static int read_all(int fd, char **text, size_t *bytes) {
    struct stat stat;
    size_t size = 64 * 1024, used = 0;
    if (fstat(fd, &stat) < 0) return -errno;
    if (S_ISDIR(stat.st_mode)) return -EISDIR;
    if (S_ISREG(stat.st_mode) && stat.st_size > PLAYBACK_FILE_MAX) return -EFBIG;
    char *memory = malloc(size);
    for (;;) {
        if (memory == NULL) return -ENOMEM;
        ssize_t got = read(fd, memory + used, size - used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 || used > PLAYBACK_FILE_MAX) {
            int err = got < 0 ? -errno : -EFBIG;
            free(memory);
            return err;
        }
        used += (size_t)got;
        if (got == 0) break;
        if (used < size) continue;
        char *larger = realloc(memory, size *= 2);
        if (larger == NULL) free(memory);
        memory = larger;
    }
    *text = memory;
    *bytes = used;
    return 0;
}

int show_playback_read(struct show_playback *playback, const char *file, char *error,
                       size_t error_size) {
    char *text = NULL;
    size_t bytes = 0;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    int err = fd < 0 ? -errno : read_all(fd, &text, &bytes);
    if (fd >= 0) close(fd);
    if (err < 0) {
        (void)eddy_strerror(err, error, error_size);
        return err;
    }
    return show_playback_parse(playback, text, bytes, error, error_size);
}

void show_playback_free(struct show_playback *playback) {
    free(playback->hello);
    free(playback->lines);
    free(playback->text);
    *playback = (struct show_playback){0};
}
