/* show_board.c: see show_board.h. */
#include "show_board.h"

#include <eddy.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const struct show_scene_text show_scene_texts[SHOW_SCENES] = {
    [SHOW_SLEEP] = {"sleep", "sleep(1) in a callback",
                    "One thread runs all callbacks: while one of them sleeps, nobody is served.",
                    "16-questions.html#what-does-sleep-do", SOURCE_SLEEP},
    [SHOW_COMPUTE] = {"compute", "Compute 200 ms in one go",
                      "A callback that computes keeps the loop just as long as one that sleeps.",
                      "16-questions.html#chunks-or-threads", SOURCE_COMPUTE},
    [SHOW_COMPUTE_PIECES] = {"compute-pieces", "The same in pieces over turns",
                             "Of 200 pieces of 1 ms each, the loop serves the others between two.",
                             "16-questions.html#chunks-or-threads", SOURCE_PIECES},
    [SHOW_COMPUTE_POOL] = {"compute-pool", "The same on the pool",
                           "A thread of the pool computes; the loop hears of the result.",
                           "06-pool.html#the-life-of-a-job", SOURCE_POOL},
    [SHOW_QUERY] = {"query", "Ten slow queries",
                    "Waiting for an answer of 300 ms takes no thread: ten of them take 300 ms.",
                    "13-http.html#a-handler-that-waits", SOURCE_QUERY},
    [SHOW_READ_CALLBACK] = {"read-callback", "Read 64 MB in a callback",
                            "A read of a file has no EAGAIN: it waits for the disk, and with it "
                            "the loop.",
                            "16-questions.html#why-are-there-threads-under-an-event-loop",
                            SOURCE_READ},
    [SHOW_READ_POOL] = {"read-pool", "Read 64 MB through the pool",
                        "A thread of the pool waits for the disk in the loop's place.",
                        "06-pool.html#the-life-of-a-job", SOURCE_FILE},
    [SHOW_CHILD] = {"child", "A child process each second",
                    "Its output is a stream and its exit an event: nobody waits for it.",
                    "17-children.html#hearing-of-the-end", SOURCE_CHILD},
    [SHOW_IDLE_CLIENTS] = {"idle-clients", "1,000 clients that say nothing",
                           "Who is silent costs memory, and no time: the backend tells only who "
                           "is ready.",
                           "04-backends.html#how-each-works", SOURCE_IDLE},
    [SHOW_SLOW_READER] = {"slow-reader", "A client that reads slowly",
                          "What it has not taken waits in a bounded buffer, and the others do not.",
                          "07-streams.html#marks", SOURCE_SLOW},
    [SHOW_FLOOD] = {"flood", "A client that sends without end",
                    "One stream's share of a turn is bounded, so that the others get theirs.",
                    "02-turn.html#what-cannot-starve-what", SOURCE_FLOOD},
    [SHOW_DESCRIPTORS] = {"descriptors", "Run out of descriptors",
                          "The listener sheds with a reserve descriptor, pauses, and comes back. "
                          "For these seconds the whole process, this page too, can open nothing.",
                          "07-streams.html#listening-and-running-out-of-descriptors",
                          SOURCE_DESCRIPTORS},
};

enum show_scene show_scene_find(const char *id) {
    unsigned scene = 0;
    while (scene < SHOW_SCENES && strcmp(show_scene_texts[scene].id, id) != 0) scene++;
    return (enum show_scene)scene;
}

void show_board_init(struct show_board *board) {
    memset(board, 0, sizeof *board);
    pthread_mutex_init(&board->lock, NULL);
}

void show_board_end(struct show_board *board) {
    pthread_mutex_destroy(&board->lock);
}

void show_board_set(struct show_board *board, enum show_scene scene, bool on) {
    if (on)
        atomic_fetch_or(&board->scenes, 1U << scene);
    else
        atomic_fetch_and(&board->scenes, ~(1U << scene));
}

bool show_board_is_on(const struct show_board *board, enum show_scene scene) {
    return (atomic_load(&board->scenes) & 1U << scene) != 0;
}

void show_say(struct show_board *board, const char *format, ...) {
    va_list arguments;
    pthread_mutex_lock(&board->lock);
    if (board->count == BOARD_LINES) {
        board->first = (board->first + 1) % BOARD_LINES;
        board->count--;
    }
    char *line = board->lines[(board->first + board->count++) % BOARD_LINES];
    va_start(arguments, format);
    vsnprintf(line, BOARD_LINE_BYTES, format, arguments);
    va_end(arguments);
    pthread_mutex_unlock(&board->lock);
}

bool show_board_take(struct show_board *board, char line[BOARD_LINE_BYTES]) {
    pthread_mutex_lock(&board->lock);
    bool is_there = board->count > 0;
    if (is_there) {
        memcpy(line, board->lines[board->first], BOARD_LINE_BYTES);
        board->first = (board->first + 1) % BOARD_LINES;
        board->count--;
    }
    pthread_mutex_unlock(&board->lock);
    return is_there;
}

int64_t show_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * EDDY_NS_PER_S + now.tv_nsec;
}
