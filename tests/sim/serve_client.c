/* serve_client.c: see serve_client.h.
 * Invariant: a client's slot is free again once its connection has ended and no event of its is to
 * come. What has been read and is not checked yet is in [read_start, in.used).
 * Threading: all of it runs in events. */
#include "serve_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve_manner.h"
#include "sim.h"

enum { CLIENTS_MAX = 24 };

#define LINGER_NS (2 * EDDY_NS_PER_S)

static struct {
    struct clients_config config;
    bool expects_cuts;
    unsigned added, answers, cuts;
    struct client all[CLIENTS_MAX];
} clients;

static void advance(struct client *client);

/* --- Events --- */

static void on_time(void *context) {
    struct client *client = context;
    client->events--;
    client->is_send_paused = client->is_read_paused = false;
    advance(client);
}

static void come_back(struct client *client, int64_t delay_ns) {
    client->events++;
    sim_after(delay_ns, on_time, client);
}

static void on_change(void *context) {
    advance(context);
}

/* --- The end of a connection --- */

static void leave(struct client *client) {
    if (client->peer != NULL) sim_peer_close(client->peer);
    client->peer = NULL;
}

static bool has_all(const struct client *client) {
    return client->answered == client->ask_count || client->is_told_last;
}

/* A connection that the server ended too early must have a reason, and must show that it is. */
static void on_end(struct client *client, bool is_reset) {
    const char *how = is_reset ? "a reset" : "the end";
    bool is_partial = client->in.used > client->read_start;
    bool is_foul = clients.config.is_foul || clients.expects_cuts;
    sim_note("client %u: %s after %u of %u answers%s", client->number, how, client->answered,
             client->ask_count, is_partial ? " and a part" : "");
    leave(client);
    if (has_all(client) && !is_partial) return;
    clients.cuts++;
    if (is_foul || client->manner.is_bad) return;
    /* A client that waited, before its first request or between two, had to make room; what it was
     * about to ask may be reset, and with it what was still on its way. */
    if (clients.config.is_crowded && (is_reset || !is_partial)) return;
    const struct ask *ask = &client->asks[client->answered];
    if (ask->node != NULL && ask->node->is_moving) return;
    sim_fail("client %u: %s without a reason", client->number, how);
}

/* --- Deadlines --- */

static void on_overdue(void *context) {
    struct client *client = context;
    client->events--;
    if (client->peer == NULL || clients.config.is_crowded) return;
    sim_fail("client %u is still there: sent %zu of %zu, %u answers", client->number, client->sent,
             client->out.used, client->answered);
}

/* Its time is over: a client that did not read looks what there is, and must find the end behind
 * it. */
static void on_deadline(void *context) {
    struct client *client = context;
    client->events--;
    if (client->peer == NULL) return;
    sim_check(!client->is_ended, "client %u may talk for ever", client->number);
    client->manner.read_bytes = 64 * 1024;
    client->manner.read_delay_ns = 0;
    client->is_draining = true;
    advance(client);
    if (client->peer == NULL || clients.config.is_crowded) return;
    bool is_told = client->in.used > 0 && client->manner.drip_ns > 0;
    client->events++;
    sim_after((is_told ? 60 * EDDY_NS_PER_S : EDDY_NS_PER_S) + 4 * sim_weather()->latency_ns,
              on_overdue, client);
}

static void set_deadline(struct client *client, int64_t delay_ns) {
    if (client->has_deadline) return;
    client->has_deadline = true;
    client->events++;
    sim_after(delay_ns + clients.config.timeout_ns / 4 + 2 * EDDY_NS_PER_S, on_deadline, client);
}

/* --- Reading --- */

static void check_answer(struct client *client, const char *body) {
    struct ask *ask = &client->asks[client->answered];
    const struct answer *answer = &client->answer;
    bool is_foul = clients.config.is_foul;
    if (answer->status == 408) {
        sim_check(client->manner.is_slow, "client %u was not slow", client->number);
        sim_check(answer->is_last, "client %u: 408 and no end", client->number);
    } else {
        const char *broken = ask_check(ask, answer, body, is_foul);
        if (broken != NULL)
            sim_fail("client %u, answer %u: %s (status %d; %d was expected)", client->number,
                     client->answered, broken, answer->status, ask->status);
    }
    bool may_end = !ask->may_go_on || answer->is_to_end || clients.expects_cuts ||
                   clients.config.is_crowded || is_foul;
    sim_check(!answer->is_last || may_end || answer->status == 408,
              "client %u is told to leave for nothing", client->number);
    client->is_told_last = answer->is_last;
    client->answered++;
    clients.answers++;
    sim_progress();
}

/* Takes the body that follows the head, if it is whole. */
static bool take_body(struct client *client, const char *bytes, size_t length, bool is_over) {
    struct answer *answer = &client->answer;
    size_t used = answer->body_bytes;
    char *decoded = NULL;
    bool is_whole = !answer->is_to_end && length >= used;
    /* Where that is not whole, only the reason for the end tells. */
    bool may_be_cut = clients.config.is_foul || clients.expects_cuts || client->manner.is_bad;
    bool is_cut = may_be_cut && (length < 8 || memcmp(bytes + length - 8, "</html>\n", 8) != 0);
    if (answer->is_to_end && is_over && !is_cut) {
        is_whole = true;
        used = answer->body_bytes = length;
    }
    if (answer->is_chunked) {
        decoded = malloc(length + 1);
        if (decoded == NULL) sim_fail("no memory for the simulation itself");
        enum answer_state state = answer_read_chunks(answer, bytes, length, decoded, &used);
        if (state == ANSWER_BROKEN) sim_fail("client %u: a broken chunk", client->number);
        is_whole = state == ANSWER_HEAD;
    }
    if (is_whole) {
        check_answer(client, decoded != NULL ? decoded : bytes);
        client->read_start += answer->head_bytes + used;
    }
    free(decoded);
    return is_whole;
}

/* Takes the answers that are whole. `is_over`: the connection has ended, and was not reset. */
static void check_answers(struct client *client, bool is_over) {
    while (client->in.used > client->read_start) {
        const char *bytes = client->in.bytes + client->read_start, *broken;
        size_t length = client->in.used - client->read_start;
        sim_check(!client->is_told_last, "client %u: more after the last answer: %.40s",
                  client->number, bytes);
        sim_check(client->answered < client->ask_count, "client %u: an answer to nothing",
                  client->number);
        const struct ask *ask = &client->asks[client->answered];
        size_t asked_before = client->answered > 0 ? ask[-1].end : 0;
        sim_check(client->sent > asked_before, "client %u: an answer too early", client->number);
        enum answer_state state =
            answer_read(&client->answer, bytes, length, ask->is_head, &broken);
        if (state == ANSWER_BROKEN) sim_fail("client %u: %s", client->number, broken);
        if (state == ANSWER_MORE) return;
        size_t head = client->answer.head_bytes;
        if (!take_body(client, bytes + head, length - head, is_over)) return;
    }
    client->in.used = client->read_start = 0;
}

static void receive(struct client *client) {
    static char bytes[64 * 1024];
    const struct manner *manner = &client->manner;
    while (client->peer != NULL && !client->is_read_paused && manner->read_bytes > 0) {
        ssize_t got = sim_peer_receive(client->peer, bytes, manner->read_bytes);
        if (got == -EAGAIN) return;
        if (got <= 0) {
            if (got == 0 && manner->chatters && !client->is_ended) {
                client->is_ended = true;
                set_deadline(client, LINGER_NS);
            }
            if (got == 0) check_answers(client, true);
            if (got == 0 && client->is_ended && sim_peer_is_connected(client->peer)) return;
            on_end(client, got < 0);
            return;
        }
        ask_put(&client->in, bytes, (size_t)got);
        check_answers(client, false);
        if (manner->read_delay_ns > 0) {
            client->is_read_paused = true;
            come_back(client, manner->read_delay_ns);
        }
    }
}

/* --- Sending --- */

/* How far it may send now. */
static size_t limit_of(const struct client *client) {
    const struct manner *manner = &client->manner;
    size_t limit = client->out.used;
    if (manner->waits && client->answered < client->ask_count)
        limit = client->asks[client->answered].end;
    return limit < manner->stall_at ? limit : manner->stall_at;
}

static void on_sent_all(struct client *client) {
    const struct manner *manner = &client->manner;
    if (manner->finishes && !client->is_finished && client->sent == client->out.used) {
        client->is_finished = true;
        sim_peer_finish(client->peer);
    }
    if (client->sent == manner->stall_at) set_deadline(client, clients.config.timeout_ns);
    /* Room that is too little to be told of is taken when the time is over, and gives more time;
     * where writes are cut short that goes on byte by byte. */
    bool is_stuck = manner->read_bytes == 0 && client->sent == client->out.used;
    if (is_stuck && sim_weather()->shorts == 0)
        set_deadline(client, 3 * clients.config.timeout_ns + LINGER_NS);
    if (client->answered < client->ask_count) return;
    if (manner->leaves)
        leave(client);
    else if (!client->is_told_last)
        set_deadline(client, clients.config.timeout_ns);
}

static bool send_piece(struct client *client, size_t limit) {
    const struct manner *manner = &client->manner;
    size_t piece = limit - client->sent;
    bool drips = client->sent >= manner->drip_from;
    if (piece > manner->piece_bytes) piece = manner->piece_bytes;
    if (drips) piece = 1;
    if (!drips && client->sent + piece > manner->drip_from)
        piece = manner->drip_from - client->sent;
    ssize_t sent = sim_peer_send(client->peer, client->out.bytes + client->sent, piece);
    if (sent < 0) {
        client->is_send_dead = sent != -EAGAIN;
        return false;
    }
    client->sent += (size_t)sent;
    if (drips) set_deadline(client, clients.config.timeout_ns);
    int64_t delay_ns = drips ? manner->drip_ns : manner->piece_delay_ns;
    if (delay_ns == 0) return true;
    client->is_send_paused = true;
    come_back(client, delay_ns);
    return false;
}

/* Goes on talking to a server that has said its last word. */
static void chatter(struct client *client) {
    ssize_t sent = sim_peer_send(client->peer, "x", 1);
    client->is_send_dead = sent < 0 && sent != -EAGAIN;
    if (client->is_send_dead) {
        leave(client);
        return;
    }
    client->is_send_paused = true;
    come_back(client, 100 * EDDY_NS_PER_MS);
}

static void send_some(struct client *client) {
    if (client->is_send_paused || client->is_send_dead || client->is_draining) return;
    if (client->is_ended) {
        chatter(client);
        return;
    }
    size_t limit = limit_of(client);
    while (client->sent < limit)
        if (!send_piece(client, limit)) return;
    on_sent_all(client);
}

/* --- Life --- */

static void advance(struct client *client) {
    if (client->peer != NULL && client->manner.resets_ns >= 0 &&
        sim_now_ns() >= client->manner.resets_ns) {
        sim_peer_reset(client->peer);
        client->peer = NULL;
    }
    if (client->peer == NULL || !sim_peer_is_connected(client->peer)) {
        if (client->peer != NULL) receive(client); /* refused, perhaps */
        return;
    }
    if (client->manner.is_silent) set_deadline(client, clients.config.timeout_ns);
    receive(client);
    if (client->peer != NULL) send_some(client);
}

static void free_slot(struct client *client) {
    free(client->in.bytes);
    free(client->out.bytes);
    memset(client, 0, sizeof *client);
}

void clients_begin(const struct clients_config *config) {
    clients.config = *config;
    clients.expects_cuts = false;
    clients.added = clients.answers = clients.cuts = 0;
    ask_begin();
}

void clients_add(void) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &clients.all[i];
        if (client->peer != NULL || client->events > 0) continue;
        free_slot(client);
        client->number = ++clients.added;
        manner_draw(client, clients.config.timeout_ns);
        client->peer = sim_peer_connect((const struct sockaddr *)&clients.config.address,
                                        sizeof clients.config.address);
        sim_peer_on_change(client->peer, on_change, client);
        if (client->manner.resets_ns >= 0)
            come_back(client, client->manner.resets_ns - sim_now_ns());
        return;
    }
}

void clients_expect_cuts(void) {
    clients.expects_cuts = true;
}

void clients_end(void) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &clients.all[i];
        if (client->peer != NULL) {
            client->manner.read_bytes = 64 * 1024;
            client->manner.read_delay_ns = 0;
            client->is_read_paused = client->manner.chatters = false;
            client->is_send_dead = true;
            receive(client);
        }
        sim_check(client->peer == NULL, "client %u waits for a server that has ended",
                  client->number);
        free_slot(client);
    }
    sim_note("%u clients, %u answers, %u cut off", clients.added, clients.answers, clients.cuts);
}
