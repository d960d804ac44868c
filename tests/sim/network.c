/* network.c: names, listeners and connecting. Nothing can be reached but what the program listens
 * at itself. Connecting takes two ways: to the listener and back, then the listener's connection
 * enters its queue. A full queue lets the first one be lost, and it is tried again. */
#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_FIRST = 32768, PORT_LAST = 60999, TRIES = 6, BACKLOG_MAX = 4096 };
static const int64_t RETRY_NS = 1000000000;

struct sim_attempt {
    struct sim_attempt *next, *prev;
    struct sim_address to, from;
    sim_connect_fn *done; /* NULL: told, or given up */
    void *owner;
    struct sim_end *end; /* the listener's, on its way to the queue */
    int failure;
    unsigned tries;
};

static struct {
    struct sim_socket *bound;
    struct sim_attempt *attempts;
    unsigned port;
} network;

/* --- Addresses --- */

static const struct sockaddr_in *v4(const struct sim_address *address) {
    return (const struct sockaddr_in *)(const void *)&address->storage;
}

static const struct sockaddr_in6 *v6(const struct sim_address *address) {
    return (const struct sockaddr_in6 *)(const void *)&address->storage;
}

static unsigned port_of(const struct sim_address *address) {
    return ntohs(address->storage.ss_family == AF_INET6 ? v6(address)->sin6_port
                                                        : v4(address)->sin_port);
}

static void set_port(struct sim_address *address, unsigned port) {
    if (address->storage.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&address->storage)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)(void *)&address->storage)->sin_port = htons((uint16_t)port);
}

static bool is_any(const struct sim_address *address) {
    if (address->storage.ss_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&v6(address)->sin6_addr);
    return v4(address)->sin_addr.s_addr == htonl(INADDR_ANY);
}

static bool same_host(const struct sim_address *a, const struct sim_address *b) {
    if (a->storage.ss_family != b->storage.ss_family) return false;
    if (a->storage.ss_family == AF_INET6)
        return memcmp(&v6(a)->sin6_addr, &v6(b)->sin6_addr, sizeof v6(a)->sin6_addr) == 0;
    return v4(a)->sin_addr.s_addr == v4(b)->sin_addr.s_addr;
}

static struct sim_address loopback(int family) {
    struct sim_address made = {.length = sizeof(struct sockaddr_in)};
    if (family == AF_INET6) {
        struct sockaddr_in6 *address = (struct sockaddr_in6 *)(void *)&made.storage;
        address->sin6_addr = in6addr_loopback;
        made.length = sizeof *address;
    } else {
        struct sockaddr_in *address = (struct sockaddr_in *)(void *)&made.storage;
        address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    made.storage.ss_family = (sa_family_t)family;
    return made;
}

static int check_address(int family, const struct sockaddr *address, socklen_t length) {
    socklen_t needed =
        family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (length < needed) return -EINVAL;
    return address->sa_family == family ? 0 : -EAFNOSUPPORT;
}

static struct sim_address copy_address(const struct sockaddr *address) {
    struct sim_address copy = loopback(address->sa_family);
    memcpy(&copy.storage, address, copy.length);
    return copy;
}

/* A v4 address as an IPv6 socket sees it. */
static struct sim_address mapped(const struct sim_address *address) {
    struct sim_address made = loopback(AF_INET6);
    struct sockaddr_in6 *to = (struct sockaddr_in6 *)(void *)&made.storage;
    memset(&to->sin6_addr, 0, sizeof to->sin6_addr);
    memset(to->sin6_addr.s6_addr + 10, 0xff, 2);
    memcpy(to->sin6_addr.s6_addr + 12, &v4(address)->sin_addr, 4);
    to->sin6_port = v4(address)->sin_port;
    return made;
}

/* Whether what is bound to `name` is reached at `address`: 0 not at all, 2 exactly. */
static unsigned reaches(const struct sim_socket *socket, const struct sim_address *address) {
    const struct sim_address *name = &socket->local;
    if (port_of(name) != port_of(address)) return 0;
    if (same_host(name, address)) return 2;
    if (!is_any(name)) return 0;
    if (name->storage.ss_family == address->storage.ss_family) return 1;
    return name->storage.ss_family == AF_INET6 && !socket->v6_only;
}

/* --- Names --- */

static bool excludes(const struct sim_socket *a, const struct sim_socket *b) {
    if (a == b || (a->reuse_port && b->reuse_port)) return false;
    bool listens = a->state == SOCKET_LISTENING || b->state == SOCKET_LISTENING;
    if (a->reuse_address && b->reuse_address && !listens) return false;
    return reaches(a, &b->local) || reaches(b, &a->local);
}

static bool is_taken(const struct sim_socket *socket) {
    for (const struct sim_socket *it = network.bound; it != NULL; it = it->next)
        if (excludes(it, socket)) return true;
    return false;
}

static unsigned next_port(void) {
    if (network.port++ >= PORT_LAST) network.port = PORT_FIRST;
    return network.port;
}

int network_bind(struct sim_socket *socket, const struct sockaddr *address, socklen_t length) {
    int err = check_address(socket->family, address, length);
    if (err < 0) return err;
    if (socket->is_bound || socket->state != SOCKET_NEW) return -EINVAL;
    socket->local = copy_address(address);
    if (port_of(&socket->local) == 0) {
        do set_port(&socket->local, next_port());
        while (is_taken(socket));
    } else if (is_taken(socket)) {
        socket->local.length = 0;
        return -EADDRINUSE;
    }
    socket->is_bound = true;
    socket->next = network.bound;
    network.bound = socket;
    sim_note("bound to port %u", port_of(&socket->local));
    return 0;
}

int network_listen(struct sim_socket *socket) {
    if (!socket->is_bound) {
        struct sim_address any = loopback(socket->family);
        if (socket->family == AF_INET6)
            ((struct sockaddr_in6 *)(void *)&any.storage)->sin6_addr = in6addr_any;
        else
            ((struct sockaddr_in *)(void *)&any.storage)->sin_addr.s_addr = htonl(INADDR_ANY);
        int err = network_bind(socket, (const struct sockaddr *)&any.storage, any.length);
        if (err < 0) return err;
    }
    enum sim_socket_state before = socket->state;
    socket->state = SOCKET_LISTENING;
    if (before == SOCKET_LISTENING || !is_taken(socket)) return 0;
    socket->state = before;
    return -EADDRINUSE;
}

void network_forget(struct sim_socket *socket) {
    while (socket->queue != NULL) {
        struct sim_end *end = socket->queue;
        socket->queue = end->next;
        sim_end_close(end, true);
    }
    struct sim_socket **at = &network.bound;
    while (*at != NULL && *at != socket) at = &(*at)->next;
    if (*at != NULL) *at = socket->next;
}

void network_name_pair(struct sim_end *end) {
    end->local = loopback(AF_INET);
    end->peer = loopback(AF_INET);
    set_port(&end->local, next_port());
    set_port(&end->peer, next_port());
    end->other->local = end->peer;
    end->other->peer = end->local;
}

/* --- Connecting --- */

/* The listener that fits best; among several that share, one at random. */
static struct sim_socket *find_listener(const struct sim_address *address) {
    struct sim_socket *found = NULL;
    unsigned best = 1, candidates = 0;
    for (struct sim_socket *it = network.bound; it != NULL; it = it->next) {
        if (it->state != SOCKET_LISTENING) continue;
        unsigned fits = reaches(it, address);
        if (fits < best) continue;
        if (fits > best) candidates = 0;
        best = fits;
        if (candidates++ == 0 || sim_below(candidates) == 0) found = it;
    }
    return found;
}

static void free_attempt(struct sim_attempt *it) {
    if (it->next != NULL) it->next->prev = it->prev;
    if (it->prev != NULL)
        it->prev->next = it->next;
    else
        network.attempts = it->next;
    free(it);
}

static void tell_done(struct sim_attempt *it, struct sim_end *end, int error) {
    sim_connect_fn *done = it->done;
    it->done = NULL;
    sim_progress();
    if (done != NULL) done(it->owner, end, error);
}

/* The connection enters the queue of the listener, if there still is one. */
static void enter_queue(void *context) {
    struct sim_attempt *it = context;
    struct sim_end *end = it->end;
    struct sim_socket *listener = find_listener(&it->to);
    free_attempt(it);
    if (listener == NULL || listener->queued > listener->backlog) {
        sim_end_close(end, true);
        return;
    }
    end->next = NULL;
    *listener->queue_last = end;
    listener->queue_last = &end->next;
    listener->queued++;
    sim_description_changed(listener->description, EDDY_READ);
}

static void set_names(struct sim_attempt *it, struct sim_end *client, bool is_mapped) {
    client->local = it->from;
    client->peer = it->to;
    client->other->local = is_mapped ? mapped(&it->to) : it->to;
    client->other->peer = is_mapped ? mapped(&it->from) : it->from;
}

static void knock(void *context) {
    struct sim_attempt *it = context;
    struct sim_socket *listener = find_listener(&it->to);
    int failure = it->failure != 0 ? it->failure : listener == NULL ? ECONNREFUSED : 0;
    sim_note("knock at port %u: %s", port_of(&it->to), sim_result(-failure));
    if (it->done == NULL) { /* given up */
        free_attempt(it);
    } else if (failure != 0) {
        tell_done(it, NULL, failure);
        free_attempt(it);
    } else if (listener->queued > listener->backlog) {
        if (++it->tries < TRIES) {
            sim_after(RETRY_NS << (it->tries - 1), knock, it);
            return;
        }
        tell_done(it, NULL, ETIMEDOUT);
        free_attempt(it);
    } else {
        struct sim_end *client = sim_wire_open(false);
        set_names(it, client, listener->family == AF_INET6 && it->to.storage.ss_family == AF_INET);
        it->end = client->other;
        int64_t delay_ns = sim_latency_ns();
        tell_done(it, client, 0);
        if (delay_ns == 0)
            enter_queue(it);
        else
            sim_after(delay_ns, enter_queue, it);
    }
}

void network_connect(const struct sockaddr *address, struct sim_address *local, int failure,
                     bool at_once, sim_connect_fn *done, void *owner,
                     struct sim_attempt **attempt) {
    struct sim_attempt *it = calloc(1, sizeof *it);
    if (it == NULL) sim_fail("no memory for the simulation itself");
    it->to = copy_address(address);
    if (is_any(&it->to)) {
        unsigned port = port_of(&it->to);
        it->to = loopback(address->sa_family);
        set_port(&it->to, port);
    }
    if (local->length == 0 || is_any(local)) {
        unsigned port = local->length == 0 ? next_port() : port_of(local);
        *local = loopback(address->sa_family);
        set_port(local, port);
    }
    it->from = *local;
    it->failure = failure;
    it->done = done;
    it->owner = owner;
    it->next = network.attempts;
    if (it->next != NULL) it->next->prev = it;
    network.attempts = it;
    *attempt = it;
    if (at_once)
        knock(it);
    else
        sim_after(sim_latency_ns(), knock, it);
}

void network_give_up(struct sim_attempt *attempt) {
    attempt->done = NULL;
}

void network_begin(void) {
    local_begin();
    network.bound = NULL;
    network.attempts = NULL;
    network.port = PORT_FIRST;
}

void network_end(void) {
    while (network.attempts != NULL) free_attempt(network.attempts);
    peers_end();
    sim_wires_end();
}
