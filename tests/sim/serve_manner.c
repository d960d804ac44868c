/* serve_manner.c: draws clients from the seed. */
#include "serve_manner.h"

typedef void draw_fn(struct client *client, int64_t timeout_ns);

static void draw_asks(struct client *client, unsigned count) {
    while (count-- > 0) ask_draw(&client->asks[client->ask_count++], &client->out);
}

static void draw_some(struct client *client) {
    draw_asks(client, 1 + sim_below(sim_below(3) == 0 ? ASKS_MAX : 2));
}

static size_t last_start(const struct client *client) {
    return client->ask_count > 1 ? client->asks[client->ask_count - 2].end : 0;
}

/* --- The good --- */

static void draw_plain(struct client *client, int64_t timeout_ns) {
    (void)timeout_ns;
    draw_some(client);
}

static void draw_in_pieces(struct client *client, int64_t timeout_ns) {
    draw_some(client);
    client->manner.piece_bytes = sim_below(2) == 0 ? 1 : 1 + sim_below(60);
    /* All of it in time, even if each byte comes alone. */
    int64_t most_ns = timeout_ns / 4 / (int64_t)(client->out.used + 1);
    client->manner.piece_delay_ns =
        1 + (int64_t)sim_below((unsigned)(most_ns < 1000000 ? most_ns : 1000000));
}

static void draw_slow_reader(struct client *client, int64_t timeout_ns) {
    draw_some(client);
    if (sim_weather()->window_bytes < 300) return;
    client->manner.read_bytes = sim_weather()->window_bytes / 2;
    client->manner.read_delay_ns = 1 + (int64_t)sim_below((unsigned)(timeout_ns / 8000)) * 1000;
}

static void draw_half_closer(struct client *client, int64_t timeout_ns) {
    (void)timeout_ns;
    draw_some(client);
    client->manner.waits = false;
    client->manner.finishes = true;
}

static void draw_chatterer(struct client *client, int64_t timeout_ns) {
    (void)timeout_ns;
    do {
        client->ask_count = 0;
        client->out.used = 0;
        draw_asks(client, 1);
    } while (!client->asks[0].must_end);
    client->manner.chatters = true;
}

/* --- The bad --- */

/* The last request will not be whole. No HEAD: whether the server has seen that it is one decides
 * whether its 408 has a body. */
static void draw_late(struct client *client) {
    size_t start = client->out.used;
    if (sim_below(2) == 0) {
        draw_asks(client, 1);
        start = client->out.used;
    }
    draw_asks(client, 1);
    while (client->asks[client->ask_count - 1].is_head) {
        client->out.used = start;
        client->ask_count--;
        draw_asks(client, 1);
    }
}

static void draw_broken(struct client *client, int64_t timeout_ns) {
    (void)timeout_ns;
    draw_asks(client, sim_below(3));
    ask_draw_broken(&client->asks[client->ask_count++], &client->out);
    client->manner.is_slow = true; /* the broken part may not be all there */
    client->manner.stall_at = client->out.used;
}

static void draw_dripper(struct client *client, int64_t timeout_ns) {
    draw_late(client);
    client->manner.drip_from = last_start(client);
    client->manner.drip_ns = timeout_ns / 6;
    client->manner.waits = client->manner.is_bad = client->manner.is_slow = true;
}

static void draw_staller(struct client *client, int64_t timeout_ns) {
    (void)timeout_ns;
    draw_late(client);
    size_t start = last_start(client);
    client->manner.stall_at = start + 1 + sim_below((unsigned)(client->out.used - start));
    client->manner.is_bad = client->manner.is_slow = true;
}

static void draw_never_reader(struct client *client, int64_t timeout_ns) {
    (void)timeout_ns;
    for (int i = 0; i < ASKS_MAX; i++) ask_large(&client->asks[client->ask_count++], &client->out);
    client->manner.read_bytes = 0;
    client->manner.waits = client->manner.leaves = false;
    client->manner.is_bad = client->manner.is_slow = true;
}

static void draw_resetter(struct client *client, int64_t timeout_ns) {
    static const unsigned spans_ns[] = {1000, 1000000, 300000000};
    (void)timeout_ns;
    draw_some(client);
    client->manner.resets_ns = sim_now_ns() + (int64_t)sim_below(spans_ns[sim_below(3)]);
    client->manner.is_bad = true;
    if (sim_below(2) == 0) client->manner.read_bytes = sim_below(2) * 100;
}

static void draw_garbage(struct client *client, int64_t timeout_ns) {
    (void)timeout_ns;
    struct ask *ask = &client->asks[client->ask_count++];
    *ask = (struct ask){.kind = ASK_PAGE};
    for (unsigned i = 1 + sim_below(200); i > 0; i--) {
        char byte = (char)sim_below(256);
        ask_put(&client->out, &byte, 1);
    }
    ask->end = client->manner.stall_at = client->out.used;
    client->manner.is_bad = client->manner.is_slow = true;
}

static void draw_silent(struct client *client, int64_t timeout_ns) {
    (void)timeout_ns;
    client->manner.is_silent = true;
    client->manner.leaves = false;
}

static const struct {
    const char *name;
    draw_fn *draw;
    unsigned weight;
} manners[] = {
    {"plain", draw_plain, 6},
    {"in pieces", draw_in_pieces, 3},
    {"reads slowly", draw_slow_reader, 2},
    {"half closes", draw_half_closer, 2},
    {"chatters", draw_chatterer, 1},
    {"broken", draw_broken, 3},
    {"drips", draw_dripper, 2},
    {"stalls", draw_staller, 1},
    {"never reads", draw_never_reader, 1},
    {"resets", draw_resetter, 2},
    {"garbage", draw_garbage, 1},
    {"silent", draw_silent, 1},
};

void manner_draw(struct client *client, int64_t timeout_ns) {
    unsigned chosen = 0, place = sim_below(25);
    client->manner = (struct manner){
        .stall_at = SIZE_MAX,
        .drip_from = SIZE_MAX,
        .piece_bytes = SIZE_MAX,
        .read_bytes = 64 * 1024,
        .resets_ns = -1,
        .waits = sim_below(2) == 0,
        .leaves = sim_below(2) == 0,
    };
    while (place >= manners[chosen].weight) place -= manners[chosen++].weight;
    client->manner.name = manners[chosen].name;
    manners[chosen].draw(client, timeout_ns);
    sim_note("client %u %s, %u requests", client->number, client->manner.name, client->ask_count);
}
