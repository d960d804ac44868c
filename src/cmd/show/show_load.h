/* show_load.h: the load on the observed loop, from a thread with a loop of its own: clients that
 * ask again and again, in a closed loop (the next request when the answer is there) or in an open
 * one (at their times, whatever the answers do: the time of each counts from when it was to be
 * sent). Threading: as each says. */
#ifndef EDDY_CMD_SHOW_LOAD_H
#define EDDY_CMD_SHOW_LOAD_H

#include "show_others.h"
#include "show_window.h"

enum { LOAD_CLIENTS_MAX = 2000, LOAD_RATE_MAX = 200000, LOAD_TAIL = 6 };

struct show_load_settings {
    unsigned clients; /* up to LOAD_CLIENTS_MAX */
    unsigned rate;    /* requests a second of all; 0: as fast as it goes */
    bool is_open;
};

struct show_load_figures {
    struct show_load_settings settings;
    unsigned connected;
    uint64_t errors; /* so far */
    struct show_figures latency;
};

struct show_asker {
    struct show_load *load;
    struct show_asker *next; /* of those that may ask */
    bool is_listed;          /* among them, though it may have been closed since */
    eddy_stream stream;
    enum { ASKER_OFF, ASKER_CONNECTING, ASKER_IDLE, ASKER_WAITING, ASKER_CLOSING } state;
    int64_t since_ns;     /* of its request */
    char tail[LOAD_TAIL]; /* the last bytes that came */
};

struct show_load {
    struct show_board *board;
    pthread_t thread;
    eddy_loop *loop;
    eddy_wake wake;

    pthread_mutex_t lock;
    struct show_load_settings wanted;               /* lock */
    struct show_load_figures figures;               /* lock */
    unsigned scenes_wanted, scenes_off, idle_count; /* lock; bits: to be switched */
    bool is_ending;                                 /* lock */

    /* The load's thread. */
    struct show_load_settings settings;
    const struct sockaddr *address;
    socklen_t address_length;
    struct show_asker *askers;
    struct show_asker *idle;
    eddy_timer pace, tick;
    int64_t next_ns; /* when the next request is to be sent, if there is a rate */
    struct show_window latency;
    uint64_t errors;
    struct show_others others;
};

/* Starts the thread, without clients. `address` must stay. Errors: -ENOMEM, -EAGAIN, as
 * eddy_loop_open. Serving thread. */
int show_load_start(struct show_load *load, struct show_board *board,
                    const struct sockaddr *address, socklen_t length);
/* Ends all and waits for the thread. Serving thread. */
void show_load_end(struct show_load *load);

/* Any thread. */
void show_load_set(struct show_load *load, const struct show_load_settings *settings);
void show_load_scene(struct show_load *load, enum show_scene scene, bool on, unsigned count);
void show_load_read(struct show_load *load, struct show_load_figures *figures);

#endif
