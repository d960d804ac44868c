/* show_playback.h: a recording, read from a file. What is in the file is not trusted: each line is
 * looked at before anything of it is told. Threading: the serving thread's. */
#ifndef EDDY_CMD_SHOW_PLAYBACK_H
#define EDDY_CMD_SHOW_PLAYBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PLAYBACK_FILE_MAX = 256 << 20,
    PLAYBACK_DATA_MAX = 7800,        /* of an event, which has 8 KiB at most; */
    PLAYBACK_ANSWER_MAX = 128 << 10, /* of what the page else asks for: costs, a way */
    PLAYBACK_EVENT_MAX = 16,
};

struct show_line {
    int64_t at_ms;
    const char *data;
    unsigned data_bytes;
    char event[PLAYBACK_EVENT_MAX];
    bool is_answer; /* no event: "costs", "way", for who reads the file as a whole */
};

struct show_playback {
    char *text; /* of the file */
    size_t bytes;
    struct show_line *lines; /* the first is the hello */
    size_t count;
    char *hello; /* its data, with "recorded":true */
    size_t hello_bytes;
};

/* Takes `text`, from malloc, and frees it in any case. Errors: -EINVAL, with one line in `error`
 * that names the line and says why; -ENOMEM. */
int show_playback_parse(struct show_playback *playback, char *text, size_t bytes, char *error,
                        size_t error_size);
/* The same with a file. Errors also: as open(2) and read(2), -EFBIG, and then `error` says that. */
int show_playback_read(struct show_playback *playback, const char *file, char *error,
                       size_t error_size);
void show_playback_free(struct show_playback *playback);

#endif
