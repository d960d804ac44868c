/* serve_command.c: `eddy serve`: from the command line to running loops, and to their end.
 *
 * The main thread runs the first server; each further one has a thread. Signals come to the first
 * loop, which tells the others. It stays until they have ended.
 * Invariant: everything that can fail has been tried before the address is printed.
 * Threading: `program` is the main thread's, but for `running`.*/
#include "serve_command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hosts.h"
#include "policy_load.h"
#include "port.h"
#include "serve_options.h"
#include "server.h"
#include "system.h"

enum {
    SPARE_DESCRIPTORS = 64, /* for loops, listeners, reserves, stdio and directories being listed */
    SPARE_PERCENT = 75,     /* or so much of the limit, where that is less */
    DESCRIPTORS_EACH = 2,   /* a connection's socket and the file that it is being sent */
    CACHED_FILES_MAX = 1024,
    PROGRAM_DESCRIPTORS = 4, /* stdio and the directory */
    LOOP_DESCRIPTORS = 4,    /* its backend, the two ends of its pipe, its reserve */
};

struct program;

/* A server and the thread it runs on, which for the first one is the main thread. */
struct server_thread {
    struct server server;
    struct program *program;
    pthread_t id;
};

struct program {
    struct options options;
    struct made_policy policy;
    struct host_address addresses[HOST_ADDRESSES_MAX];
    unsigned address_count;
    int root;
    eddy_pool *pool;
    struct server_thread *threads; /* options.loops of them */
    unsigned opened, started;      /* how many have a server, and a thread */
    struct log_file log_file;
    eddy_signal interrupt, terminate, reopen, reload; /* in the first loop */
    eddy_wake ended;                                  /* a server of another thread has ended */
    EDDY_ATOMIC(unsigned) running;                    /* threads */
    int stop_level;
    EDDY_ATOMIC(int) error; /* the first that a server ended with, or 0 */
};

static int fail(int error, const char *what, const char *name) {
    char text[64];
    fprintf(stderr, "eddy: cannot %s %s: %s\n", what, name,
            eddy_strerror(error, text, sizeof text));
    return 1;
}

/* --- Before --- */

/* As many descriptors as we may have, since each client needs two. Returns how many those are. */
static unsigned raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return 256;
    rlim_t old = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) limit.rlim_cur = old; /* macOS has a lower ceiling */
    return limit.rlim_cur > INT_MAX ? INT_MAX : (unsigned)limit.rlim_cur;
}

/* How many may be served at once if nobody says. Beyond it a client waits in the backlog, which is
 * kinder than an error for want of a descriptor. */
static unsigned default_connections(const char *backend, unsigned descriptors) {
    eddy_backend_info used;
    for (size_t i = 0; eddy_backend_at(i, &used) == 0; i++)
        if (backend == NULL || strcmp(used.name, backend) == 0) break;
    if ((unsigned)used.fd_max < descriptors) descriptors = (unsigned)used.fd_max + 1;
    unsigned spare = SPARE_DESCRIPTORS;
    if (descriptors < SPARE_DESCRIPTORS * 100 / SPARE_PERCENT)
        spare = descriptors * SPARE_PERCENT / 100;
    unsigned connections = (descriptors - spare) / DESCRIPTORS_EACH;
    return connections > 0 ? connections : 1;
}

/* Of each loop: a part of the descriptors, and not more than pays. */
static unsigned cached_files(unsigned descriptors, unsigned loops) {
    unsigned files = descriptors / 8 / loops;
    return files < CACHED_FILES_MAX ? files : CACHED_FILES_MAX;
}

static int open_log(struct program *program) {
    const struct options *options = &program->options;
    struct log_file *file = &program->log_file;
    *file = (struct log_file){.path = options->log_file, .fd = STDOUT_FILENO};
    if (!options->log) return 0;
    const char *name = "stdout";
    if (file->path != NULL) {
        name = file->path;
        file->fd = system_open_log(name, &file->needs_line_end);
        if (file->fd < 0) return fail(file->fd, "open", name);
    }
    return 0;
}

/* With which each loop can serve one client. */
static unsigned needed_descriptors(unsigned loops, unsigned addresses) {
    return PROGRAM_DESCRIPTORS + loops * (LOOP_DESCRIPTORS + addresses + DESCRIPTORS_EACH);
}

static int open_servers(struct program *program) {
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
        connections = default_connections(options->backend, descriptors - cached * options->loops);
    /* A log whose reader has stalled holds a thread; the files' threads come on top. */
    eddy_pool_config pool_config = {
        .threads = options->pool_threads + (options->log ? 1 : 0),
    };
    int err = eddy_pool_open(&program->pool, &pool_config);
    if (err < 0) return fail(err, "start", "the pool");
    for (unsigned i = 0; i < options->loops; i++) {
        struct server_config config = {
            .root = program->root,
            .backend = options->backend,
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
            .grace_ns = options->grace_s > 0 ? options->grace_s * EDDY_NS_PER_S : 1,
        };
        err = server_open(&program->threads[i].server, &config);
        if (err < 0) return fail(err, "open", "a loop");
        program->threads[program->opened++].program = program;
    }
    return 0;
}

static int listen_all(struct program *program) {
    const struct options *options = &program->options;
    unsigned shared = options->loops > 1 ? EDDY_REUSEPORT : 0, failed = 0;
    int err = 0;
    if (shared != 0 || program->address_count > 1)
        err = port_claim(program->threads[0].server.context.loop, program->addresses,
                         program->address_count, options->port == 0, &failed);
    for (unsigned i = 0; err == 0 && i < program->address_count; i++) {
        const struct host_address *it = &program->addresses[i];
        for (unsigned k = 0; err == 0 && k < options->loops; k++) {
            struct server *server = &program->threads[k].server;
            failed = i;
            err = server_listen(server, &it->address, it->length, shared);
            if (err == 0 && i == 0 && k == 0)
                err = port_share(program->addresses, program->address_count,
                                 &server->listeners[0].http.listener);
        }
    }
    if (err == 0) return 0;
    char name[80];
    eddy_address_format((const struct sockaddr *)&program->addresses[failed].address, name,
                        sizeof name);
    return fail(err, "listen on", name);
}

/* --- Signals and threads --- */

static void stop_all(struct program *program, int level) {
    if (level <= program->stop_level) return;
    program->stop_level = level;
    for (unsigned i = 0; i < program->options.loops; i++)
        server_stop(&program->threads[i].server, level);
}

static void on_signal(struct program *program) {
    stop_all(program, program->stop_level == SERVER_RUNS ? SERVER_FINISHES : SERVER_ENDS);
}

static void on_interrupt(eddy_signal *watcher, int number) {
    (void)number;
    on_signal(eddy_container_of(watcher, struct program, interrupt));
}

static void on_terminate(eddy_signal *watcher, int number) {
    (void)number;
    on_signal(eddy_container_of(watcher, struct program, terminate));
}

static void on_reopen(eddy_signal *watcher, int number) {
    struct program *program = eddy_container_of(watcher, struct program, reopen);
    (void)number;
    if (program->options.log) log_writer_reopen(&program->threads[0].server.context.writer);
}

/* DIR may be another directory by now: it gets the number of the old one, which all loops have, and
 * what is being read goes on. What is kept open of the old one is for a second at most. */
static void on_reload(eddy_signal *watcher, int number) {
    struct program *program = eddy_container_of(watcher, struct program, reload);
    const char *name = program->options.directory;
    char text[64];
    on_reopen(&program->reopen, number);
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_open = fd >= 0 && dup2(fd, program->root) >= 0;
    if (is_open)
        system_say("serving %s anew", name);
    else
        system_say("cannot serve %s anew, the old one stays: %s", name,
                   eddy_strerror(errno, text, sizeof text));
    if (is_open) (void)fcntl(program->root, F_SETFD, FD_CLOEXEC);
    if (fd >= 0) close(fd);
}

static int watch_signals(struct program *program) {
    eddy_loop *loop = program->threads[0].server.context.loop;
    eddy_signal_init(&program->interrupt, loop);
    eddy_signal_init(&program->terminate, loop);
    eddy_signal_init(&program->reopen, loop);
    eddy_unref(&program->interrupt.handle);
    eddy_unref(&program->terminate.handle);
    eddy_unref(&program->reopen.handle);
    eddy_signal_init(&program->reload, loop);
    eddy_unref(&program->reload.handle);
    signal(SIGPIPE, SIG_IGN); /* sockets raise none, but the log may lose its reader */
    int err = eddy_signal_start(&program->interrupt, on_interrupt, SIGINT);
    if (err == 0) err = eddy_signal_start(&program->terminate, on_terminate, SIGTERM);
    if (err == 0) err = eddy_signal_start(&program->reopen, on_reopen, SIGUSR1);
    if (err == 0) err = eddy_signal_start(&program->reload, on_reload, SIGHUP);
    sigset_t none; /* whoever started the program may have left some blocked: exec keeps that */
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    return err;
}

/* One loop alone is not what was asked for: when it fails, all stop. */
static void on_ended(eddy_wake *wake) {
    struct program *program = eddy_container_of(wake, struct program, ended);
    stop_all(program, SERVER_FINISHES);
    if (program->running > 0) return;
    eddy_wake_stop(wake);
    server_let_end(&program->threads[0].server); /* their last lines have come */
}

static void run_server(struct server_thread *thread) {
    int none = 0;
    int err = server_run(&thread->server);
    if (err < 0) atomic_compare_exchange_strong(&thread->program->error, &none, err);
}

static void *thread_main(void *argument) {
    struct server_thread *thread = argument;
    run_server(thread);
    atomic_fetch_sub(&thread->program->running, 1);
    eddy_wake_send(&thread->program->ended);
    return NULL;
}

/* The first server's thread is the caller's; it does not end before the others have. */
static int start_threads(struct program *program) {
    unsigned loops = program->options.loops;
    program->started = 1;
    eddy_wake_init(&program->ended, program->threads[0].server.context.loop);
    if (loops == 1) return 0;
    int err = eddy_wake_start(&program->ended, on_ended);
    if (err < 0) return err;
    program->running = loops - 1;
    for (; program->started < loops; program->started++) {
        struct server_thread *thread = &program->threads[program->started];
        err = pthread_create(&thread->id, NULL, thread_main, thread);
        if (err == 0) continue;
        /* The others end at once, and those that never began count as ended. */
        atomic_fetch_sub(&program->running, loops - program->started);
        stop_all(program, SERVER_ENDS);
        eddy_wake_send(&program->ended);
        run_server(&program->threads[0]);
        return -err;
    }
    return 0;
}

/* --- The command --- */

static void print_banner(const struct program *program) {
    const struct options *options = &program->options;
    char name[80];
    char urls[HOST_ADDRESSES_MAX * (sizeof name + 9)] = "";
    for (unsigned i = 0; i < program->address_count; i++) {
        eddy_address_format((const struct sockaddr *)&program->addresses[i].address, name,
                            sizeof name);
        size_t used = strlen(urls);
        snprintf(urls + used, sizeof urls - used, " http://%s/", name);
    }
    system_say("serving %s on%s (%s, %u loop%s)", options->directory, urls,
               eddy_loop_backend(program->threads[0].server.context.loop)->name, options->loops,
               options->loops == 1 ? "" : "s");
}

static int serve(struct program *program) {
    const struct options *options = &program->options;
    int status = policy_load(&program->policy, &options->policy, program->root);
    if (status != 0) return status;
    program->address_count =
        hosts_find(options->hosts, options->host_count, options->port, program->addresses);
    if (program->address_count == 0) return 1;
    status = open_log(program);
    if (status == 0) status = open_servers(program);
    if (status == 0) status = listen_all(program);
    if (status != 0) return status;
    int err = watch_signals(program);
    if (err < 0) return fail(err, "watch", "signals");
    if (!program->options.quiet) print_banner(program);
    err = start_threads(program);
    if (err < 0) return fail(err, "start", "a thread");
    run_server(&program->threads[0]);
    if (program->error < 0) stop_all(program, SERVER_FINISHES); /* those that still run */
    if (program->error < 0) return fail(program->error, "go on", "serving");
    return 0;
}

/* False: a file request is stuck in the kernel, so that nothing that it may still touch can be
 * freed. */
static bool close_all(struct program *program) {
    bool all_closed = true;
    for (unsigned i = 1; i < program->started; i++) pthread_join(program->threads[i].id, NULL);
    if (program->opened > 0) {
        eddy_signal_stop(&program->interrupt);
        eddy_signal_stop(&program->terminate);
        eddy_signal_stop(&program->reopen);
        eddy_signal_stop(&program->reload);
        eddy_wake_stop(&program->ended);
    }
    for (unsigned i = program->opened; i-- > 0;) /* the first has the log of the others */
        if (server_close(&program->threads[i].server) < 0) all_closed = false;
    if (program->pool != NULL && eddy_pool_close(program->pool) < 0) all_closed = false;
    return all_closed;
}

/* A number that is closed would be a client's socket, which then got what is written here. */
static int claim_standard(const struct options *options) {
    if (options->log && options->log_file == NULL && fcntl(STDOUT_FILENO, F_GETFD) < 0)
        return fail(-errno, "write the log to", "stdout");
    int fd;
    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) close(fd);
    return 0;
}

int serve_main(int argc, char **argv) {
    struct program program = {.root = -1};
    char error[256];
    if (options_parse(&program.options, argc, argv, error, sizeof error) < 0) {
        fprintf(stderr, "eddy: %s\n", error);
        return 2;
    }
    if (program.options.help) {
        options_help(stdout);
        return 0;
    }
    if (claim_standard(&program.options) != 0) return 1;
    program.root = open(program.options.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (program.root < 0) return fail(-errno, "serve", program.options.directory);
    program.threads = calloc(program.options.loops, sizeof *program.threads);
    int status = program.threads != NULL ? serve(&program) : fail(-ENOMEM, "open", "the loops");
    if (!close_all(&program)) _exit(status);
    policy_unload(&program.policy);
    close(program.root);
    free(program.threads);
    return status;
}
