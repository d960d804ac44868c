/* show_board.h: what the threads of `eddy show` tell each other beside their own affairs: the
 * scenes, which of them are on, and lines for the visitors. Any thread. */
#ifndef EDDY_CMD_SHOW_BOARD_H
#define EDDY_CMD_SHOW_BOARD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "show_source.h"

enum show_scene {
    SHOW_SLEEP,
    SHOW_COMPUTE,
    SHOW_COMPUTE_PIECES,
    SHOW_COMPUTE_POOL,
    SHOW_QUERY,
    SHOW_READ_CALLBACK,
    SHOW_READ_POOL,
    SHOW_CHILD,
    SHOW_IDLE_CLIENTS, /* this and the next: of the load's thread */
    SHOW_SLOW_READER,
    SHOW_FLOOD,
    SHOW_DESCRIPTORS,
    SHOW_SCENES
};

struct show_scene_text {
    const char *id, *title, *why;
    const char *guide; /* below /guide/ */
    enum show_source source;
};

extern const struct show_scene_text show_scene_texts[SHOW_SCENES];

/* SHOW_SCENES: there is none of that name. */
enum show_scene show_scene_find(const char *id);

enum { BOARD_LINES = 16, BOARD_LINE_BYTES = 160 };

struct show_board {
    _Atomic(unsigned) scenes; /* a bit for each that is on */
    pthread_mutex_t lock;
    char lines[BOARD_LINES][BOARD_LINE_BYTES]; /* lock */
    unsigned first, count;                     /* lock */
};

void show_board_init(struct show_board *board);
void show_board_end(struct show_board *board);

void show_board_set(struct show_board *board, enum show_scene scene, bool on);
bool show_board_is_on(const struct show_board *board, enum show_scene scene);

/* A line for the visitors; the oldest goes when there are too many. */
void show_say(struct show_board *board, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Takes the oldest; false: there is none. */
bool show_board_take(struct show_board *board, char line[BOARD_LINE_BYTES]);

/* The clock that all loops read. */
int64_t show_now_ns(void);

#endif
