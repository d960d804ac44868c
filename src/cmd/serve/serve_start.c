/* serve_start.c: loops for the servers, and their listeners.
 * Invariant: of each address that is served each loop has a listener, and each socket a loop.
 * Threading: the main thread's, before there are others. */
#include "backends_command.h"
#include "serve_program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "port.h"
#include "system.h"

enum {
    SPARE_DESCRIPTORS = 50, /* for what closes, and directories being listed */
    SPARE_PERCENT = 75,     /* all that is not for clients, or so much of a limit that is low */
    DESCRIPTORS_EACH = 2,   /* a connection's socket and the file that it is being sent */
    CACHED_FILES_MAX = 1024,
    PROGRAM_DESCRIPTORS = 4, /* stdio and the directory */
    LOOP_DESCRIPTORS = 4,    /* its backend, the two ends of its pipe, its reserve */
    SOCKET_DESCRIPTORS = 2,  /* the listener's, and the one to be handed on */
    RESTART_DESCRIPTORS = 3, /* a pipe and its duplicate, beside one of each socket */
};

int program_fail(int error, const char *what, const char *name) {
    char text[64];
    fprintf(stderr, "eddy: cannot %s %s: %s\n", what, name,
            eddy_strerror(error, text, sizeof text));
    return 1;
}

static int fail_loop(int error, const char *backend) {
    const char *why = backend != NULL ? backends_refusal(error) : NULL;
    if (why == NULL) return program_fail(error, "open", "a loop");
    fprintf(stderr, "eddy: cannot wait with %s: %s; \"eddy backends\" lists others\n", backend,
            why);
    return 1;
}

/* --- Limits --- */

/* As many descriptors as we may have, since each client needs two. Returns how many those are. */
static unsigned raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return 256;
    rlim_t old = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) limit.rlim_cur = old; /* macOS has a lower ceiling */
    return limit.rlim_cur > INT_MAX ? INT_MAX : (unsigned)limit.rlim_cur;
}

/* Without any client. */
static unsigned own_descriptors(unsigned loops, unsigned addresses) {
    return PROGRAM_DESCRIPTORS + loops * (LOOP_DESCRIPTORS + SOCKET_DESCRIPTORS * addresses);
}

/* How many may be served at once if nobody says. Beyond it a client waits in the backlog, which is
 * kinder than an error for want of a descriptor. Each loop can serve one. */
static unsigned default_connections(const char *backend, unsigned descriptors, unsigned loops,
                                    unsigned addresses) {
    eddy_backend_info used;
    for (size_t i = 0; eddy_backend_at(i, &used) == 0; i++)
        if (backend == NULL || strcmp(used.name, backend) == 0) break;
    if ((unsigned)used.fd_max < descriptors) descriptors = (unsigned)used.fd_max + 1;
    unsigned least = own_descriptors(loops, addresses) + RESTART_DESCRIPTORS + loops * addresses;
    unsigned spare = least + SPARE_DESCRIPTORS, most = descriptors - DESCRIPTORS_EACH * loops;
    if (descriptors < spare * 100 / SPARE_PERCENT) spare = descriptors * SPARE_PERCENT / 100;
    if (spare < least) spare = least;
    if (spare > most) spare = most;
    return (descriptors - spare) / DESCRIPTORS_EACH;
}

/* Of each loop: a part of the descriptors, and not more than pays. */
static unsigned cached_files(unsigned descriptors, unsigned loops) {
    unsigned files = descriptors / 8 / loops;
    return files < CACHED_FILES_MAX ? files : CACHED_FILES_MAX;
}

/* With which each loop can serve one client. */
static unsigned needed_descriptors(unsigned loops, unsigned addresses) {
    return own_descriptors(loops, addresses) + loops * DESCRIPTORS_EACH;
}

/* --- Opening --- */

int program_open_log(struct program *program) {
    const struct options *options = &program->options;
    struct log_file *file = &program->log_file;
    *file = (struct log_file){.path = options->log_file, .fd = STDOUT_FILENO};
    if (!options->log) return 0;
    const char *name = "stdout";
    if (file->path != NULL) {
        name = file->path;
        if (options->user != NULL) account_make_file(&program->account, name);
        /* USER may be able to put a link there, to what only root may write to. */
        file->fd = system_open_log(name, options->user == NULL, &file->needs_line_end);
        if (file->fd == -ELOOP && options->user != NULL) {
            system_say("cannot open %s: it is a link, and with --user none is followed", name);
            return 1;
        }
        if (file->fd < 0) return program_fail(file->fd, "open", name);
    }
    return 0;
}

/* Of --stats and --metrics. */
static int open_board(struct program *program) {
    const struct options *options = &program->options;
    if (options->stats_s == 0 && options->metrics == NULL) return 0;
    program->board = calloc(1, sizeof *program->board);
    if (program->board == NULL) return -ENOMEM;
    program->board->path = options->metrics;
    program->board->period_s = options->stats_s;
    program->board->pool = program->pool;
    return eddy_pool_stats_start(program->pool, &program->board->jobs);
}

int program_open_servers(struct program *program) {
    const struct options *options = &program->options;
    unsigned connections = options->connections_max;
    unsigned descriptors = raise_descriptor_limit();
    unsigned needed = needed_descriptors(options->loops, program->address_count);
    if (descriptors < needed) {
        fprintf(stderr,
                "eddy: the limit of open descriptors is %u, and at least %u are needed to serve "
                "anyone; \"ulimit -n\" sets it\n",
                descriptors, needed);
        return 1;
    }
    unsigned cached = options->cache ? cached_files(descriptors, options->loops) : 0;
    if (connections == 0)
        connections = default_connections(options->backend, descriptors - cached * options->loops,
                                          options->loops, program->address_count);
    /* A log whose reader has stalled holds a thread; the files' threads come on top. */
    eddy_pool_config pool_config = {
        .threads = options->pool_threads + (options->log ? 1 : 0),
    };
    int err = eddy_pool_open(&program->pool, &pool_config);
    if (err == 0) err = open_board(program);
    if (err < 0) return program_fail(err, "start", "the pool");
    for (unsigned i = 0; i < options->loops; i++) {
        struct server_config config = {
            .root = program->root,
            .backend = options->backend,
            .files = options->files,
            .pool = program->pool,
            .connections_max = connections / options->loops + (i < connections % options->loops),
            .timeout_ns = options->timeout_s * EDDY_NS_PER_S,
            .cached_files = cached,
            .log = options->log,
            .log_config =
                {
                    .format = options->log_format,
                    .trusts_proxy = options->trust_proxy,
                    .writer = i > 0 ? &program->threads[0].server.context.writer : NULL,
                    .file = program->log_file,
                },
            .stays = i == 0 && options->loops > 1,
            .policy = &program->policy.policy,
            .board = program->board,
            .grace_ns = options->grace_s > 0 ? options->grace_s * EDDY_NS_PER_S : 1,
        };
        err = server_open(&program->threads[i].server, &config);
        if (err < 0) return fail_loop(err, options->backend);
        program->threads[program->opened++].program = program;
    }
    return 0;
}

/* --- Listening --- */

/* Those of the sockets that we were given, each once; further ones are one too many for a server.
 */
static void find_inherited(struct program *program) {
    for (unsigned i = 0; i < program->sockets.count; i++) {
        const struct shared_socket *it = &program->sockets.all[i];
        if (it->rank > 0 || program->address_count == HOST_ADDRESSES_MAX) continue;
        program->addresses[program->address_count++] = it->address;
    }
}

static int add_locals(struct program *program) {
    const struct options *options = &program->options;
    for (unsigned i = 0; i < options->local_count; i++) {
        if (program->address_count == HOST_ADDRESSES_MAX)
            return program_fail(-ENOSPC, "listen on", options->locals[i]);
        struct host_address *it = &program->addresses[program->address_count++];
        it->length = (socklen_t)options_local_address(options->locals[i], &it->address);
    }
    return 0;
}

int program_find_addresses(struct program *program) {
    const struct options *options = &program->options;
    if (program->sockets.count > 0)
        find_inherited(program);
    else if (options->host_count > 0)
        program->address_count =
            hosts_find(options->hosts, options->host_count, options->port, program->addresses);
    program->port_count = program->address_count;
    if (program->sockets.count == 0 && (options->host_count == 0 || program->port_count > 0))
        return add_locals(program);
    return program->address_count > 0 ? 0 : 1;
}

/* Whether a loop is to accept from a socket. The sockets of one address are shared out among the
 * loops; where they are fewer than the loops, several loops accept from one. */
static bool is_for_loop(const struct shared_socket *it, unsigned loop, unsigned loops) {
    return it->of <= loops ? loop % it->of == it->rank : it->rank % loops == loop;
}

static int attach_copy(struct server *server, int fd) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (copy < 0) return -errno;
    int err = server_attach(server, copy);
    if (err < 0) close(copy);
    return err;
}

static int listen_inherited(struct program *program) {
    unsigned loops = program->options.loops;
    for (unsigned i = 0; i < program->sockets.count; i++) {
        const struct shared_socket *it = &program->sockets.all[i];
        int err = 0;
        for (unsigned k = 0; err == 0 && k < loops; k++)
            if (is_for_loop(it, k, loops)) err = attach_copy(&program->threads[k].server, it->fd);
        if (err < 0) return sockets_refuse(&program->sockets, it->fd, err);
    }
    return 0;
}

/* Of each address that has a port, each loop has a socket. */
static int listen_ports(struct program *program, unsigned *failed) {
    const struct options *options = &program->options;
    unsigned shared = options->loops > 1 ? EDDY_REUSEPORT : 0;
    int err = 0;
    if (shared != 0 || program->port_count > 1)
        err = port_claim(program->threads[0].server.context.loop, program->addresses,
                         program->port_count, options->port == 0, failed);
    for (unsigned i = 0; err == 0 && i < program->port_count; i++) {
        const struct host_address *it = &program->addresses[i];
        for (unsigned k = 0; err == 0 && k < options->loops; k++) {
            struct server *server = &program->threads[k].server;
            *failed = i;
            err = server_listen(server, &it->address, it->length, shared);
            const eddy_listener *listener = &server->listeners[i].http.listener;
            if (err == 0 && i == 0 && k == 0)
                err = port_share(program->addresses, program->port_count, listener);
            if (err == 0) err = sockets_keep(&program->sockets, eddy_listener_fd(listener));
        }
    }
    return err;
}

/* A name has one socket, which all loops accept from; the first one's listener has the name. One
 * that a process has left behind, which was killed, is in nobody's way. */
static int listen_locals(struct program *program, unsigned *failed) {
    const struct options *options = &program->options;
    unsigned how = EDDY_REPLACE_STALE;
    if (options->local_mode >= 0) how |= EDDY_LOCAL_MODE(options->local_mode);
    int err = 0;
    for (unsigned i = program->port_count; err == 0 && i < program->address_count; i++) {
        const struct host_address *it = &program->addresses[i];
        struct server *first = &program->threads[0].server;
        *failed = i;
        err = server_listen(first, &it->address, it->length, how);
        if (err < 0) break;
        int fd = eddy_listener_fd(&first->listeners[i].http.listener);
        for (unsigned k = 1; err == 0 && k < options->loops; k++)
            err = attach_copy(&program->threads[k].server, fd);
        if (err == 0) err = sockets_keep(&program->sockets, fd);
    }
    return err;
}

static int listen_anew(struct program *program) {
    unsigned failed = 0;
    int err = listen_ports(program, &failed);
    if (err == 0) err = listen_locals(program, &failed);
    if (err == 0) return 0;
    const struct host_address *it = &program->addresses[failed];
    char name[HOST_ADDRESS_TEXT];
    eddy_address_format_whole((const struct sockaddr *)&it->address, it->length, name, sizeof name);
    return program_fail(err, "listen on", name);
}

int program_listen(struct program *program) {
    return program->sockets.count > 0 ? listen_inherited(program) : listen_anew(program);
}

int program_guard(struct program *program) {
    const struct options *options = &program->options;
    if (options->watchdog_ms == 0) return 0;
    int err = stalls_open(&program->stalls, options->watchdog_ms, options->loops);
    for (unsigned i = 0; err == 0 && i < program->opened; i++) {
        struct context *context = &program->threads[i].server.context;
        context->guard = stalls_guard(&program->stalls, context->loop);
    }
    return err;
}

/* --- Names --- */

/* Whether the listener's address is one of --unix. What stands before the name differs: some
 * systems note the length there. */
static bool has_own_name(const struct program *program, const eddy_listener *listener) {
    enum { NAME = offsetof(struct sockaddr_un, sun_path) };
    struct sockaddr_storage address = {0}, own;
    socklen_t length = sizeof address;
    if (eddy_listener_address(listener, (struct sockaddr *)&address, &length) < 0) return false;
    if (address.ss_family != AF_UNIX || length < NAME) return false;
    for (unsigned i = 0; i < program->options.local_count; i++)
        if (options_local_address(program->options.locals[i], &own) == (int)length &&
            memcmp((char *)&own + NAME, (char *)&address + NAME, length - NAME) == 0)
            return true;
    return false;
}

/* Those of the first loop have the names. One that is not there any more is nobody's. */
void program_own_names(struct program *program) {
    struct server *first = &program->threads[0].server;
    for (unsigned i = 0; i < first->listener_count; i++) {
        eddy_listener *listener = &first->listeners[i].http.listener;
        if (has_own_name(program, listener)) (void)eddy_local_own_name(listener, true);
    }
}

void program_leave_names(struct program *program) {
    struct server *first = &program->threads[0].server;
    for (unsigned i = 0; i < first->listener_count; i++)
        (void)eddy_local_own_name(&first->listeners[i].http.listener, false);
}
