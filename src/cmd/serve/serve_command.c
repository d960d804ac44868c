/* serve_command.c: `eddy serve`: from the command line to running loops, and to their end.
 *
 * The main thread runs the first server; each further one has a thread. Signals come to the first
 * loop, which tells the others (serve_signals.c). It stays until they have ended.
 * Invariant: everything that can fail has been tried before the address is printed.
 * Threading: `program` is the main thread's, but for `running`.*/
#include "serve_command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve_program.h"
#include "system.h"

enum { ARGUMENTS_BEFORE = 2 }; /* those of serve_main: the program and "serve" */

/* --- Threads --- */

/* One loop alone is not what was asked for: when it fails, all stop. */
static void on_ended(eddy_wake *wake) {
    struct program *program = eddy_container_of(wake, struct program, ended);
    if (program->stop_level == SERVER_RUNS) program_stop(program, SERVER_FINISHES);
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
        program_stop(program, SERVER_ENDS);
        eddy_wake_send(&program->ended);
        run_server(&program->threads[0]);
        return -err;
    }
    return 0;
}

/* --- The command --- */

static void print_banner(const struct program *program) {
    const struct options *options = &program->options;
    char name[HOST_ADDRESS_TEXT];
    char urls[HOST_ADDRESSES_MAX * (sizeof name + 9)] = "";
    for (unsigned i = 0; i < program->address_count; i++) {
        const struct host_address *it = &program->addresses[i];
        const struct sockaddr *address = (const struct sockaddr *)&it->address;
        eddy_address_format_whole(address, it->length, name, sizeof name);
        size_t used = strlen(urls);
        snprintf(urls + used, sizeof urls - used,
                 address->sa_family == AF_UNIX ? " %s" : " http://%s/", name);
    }
    system_say("serving %s on%s (%s, %u loop%s)", options->directory, urls,
               eddy_loop_backend(program->threads[0].server.context.loop)->name, options->loops,
               options->loops == 1 ? "" : "s");
    const char *reason;
    (void)eddy_loop_files(program->threads[0].server.context.loop, &reason);
    if (reason != NULL) system_say("files by the pool: %s", reason);
}

/* All that only root can open is open, and there is no thread yet. */
static int become_user(const struct program *program) {
    const struct options *options = &program->options;
    char text[64];
    if (options->user == NULL) return 0;
    int status = account_become(&program->account);
    if (status != 0) return status;
    if (faccessat(program->root, ".", X_OK, 0) < 0) {
        system_say("user %s cannot serve %s: %s", options->user, options->directory,
                   eddy_strerror(-errno, text, sizeof text));
        return 1;
    }
    if (options->log_file != NULL && access(options->log_file, W_OK) < 0)
        system_say("user %s cannot open %s anew: %s", options->user, options->log_file,
                   eddy_strerror(-errno, text, sizeof text));
    return 0;
}

static int open_trace(struct program *program) {
    const struct options *options = &program->options;
    for (unsigned i = 0; i < options->loops; i++)
        program->traced[i].loop = program->threads[i].server.context.loop;
    return serve_trace_open(&program->trace, &options->trace, program->traced, options->loops,
                            program->sockets.ready >= 0);
}

static int serve(struct program *program) {
    const struct options *options = &program->options;
    int status = policy_load(&program->policy, &options->policy, program->root);
    if (status != 0) return status;
    status = program_find_addresses(program);
    if (status == 0) status = program_open_log(program);
    if (status == 0) status = program_open_servers(program);
    if (status == 0) status = program_listen(program);
    if (status == 0) status = become_user(program);
    if (status != 0) return status;
    int err = program_watch_signals(program);
    if (err < 0) return program_fail(err, "watch", "signals");
    status = open_trace(program);
    if (status != 0) return status;
    if (!program->options.quiet) print_banner(program);
    err = program_guard(program);
    if (err < 0) return program_fail(err, "start", "the watchdog");
    err = start_threads(program);
    if (err < 0) return program_fail(err, "start", "a thread");
    if (program->sockets.ready >= 0) program_own_names(program);
    sockets_tell_ready(&program->sockets);
    run_server(&program->threads[0]);
    if (program->error < 0) program_stop(program, SERVER_FINISHES); /* those that still run */
    if (program->error < 0) return program_fail(program->error, "go on", "serving");
    return 0;
}

/* False: a file request is stuck in the kernel, so that nothing that it may still touch can be
 * freed. */
static bool close_all(struct program *program) {
    bool all_closed = true;
    for (unsigned i = 1; i < program->started; i++) pthread_join(program->threads[i].id, NULL);
    stalls_close(&program->stalls);
    if (program->opened > 0) {
        program_unwatch_signals(program);
        eddy_wake_stop(&program->ended);
    }
    if (!serve_trace_close(&program->trace)) all_closed = false;
    for (unsigned i = program->opened; i-- > 0;) /* the first has the log of the others */
        if (server_close(&program->threads[i].server) < 0) all_closed = false;
    if (program->pool != NULL && eddy_pool_close(program->pool) < 0) all_closed = false;
    return all_closed;
}

/* A number that is closed would be a client's socket, which then got what is written here. */
static int claim_standard(const struct options *options) {
    if (options->log && options->log_file == NULL && fcntl(STDOUT_FILENO, F_GETFD) < 0)
        return program_fail(-errno, "write the log to", "stdout");
    int fd;
    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) close(fd);
    return 0;
}

/* What would have no effect is a mistake that nobody would notice; but a process that takes over
 * has the arguments of the one before. */
static int take_over(struct program *program) {
    struct sockets *sockets = &program->sockets;
    int status = sockets_inherit(sockets);
    if (status != 0 || sockets->count == 0 || sockets->ready >= 0) return status;
    if (!program->options.names_port && program->options.local_count == 0) return 0;
    system_say("--host, --port and --unix are of no use where %s has the sockets",
               sockets->variable);
    return 2;
}

static int start(struct program *program) {
    const struct options *options = &program->options;
    int status = take_over(program);
    if (status == 0 && options->user != NULL)
        status = account_find(&program->account, options->user);
    if (status == 0) status = claim_standard(options);
    if (status != 0) return status;
    program->root = open(options->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (program->root < 0) return program_fail(-errno, "serve", options->directory);
    program->threads = calloc(options->loops, sizeof *program->threads);
    program->traced = calloc(options->loops, sizeof *program->traced);
    if (program->threads == NULL || program->traced == NULL)
        return program_fail(-ENOMEM, "open", "the loops");
    return serve(program);
}

int serve_main(int argc, char **argv) {
    struct program program = {.root = -1, .arguments = argv - ARGUMENTS_BEFORE};
    char error[256];
    if (options_parse(&program.options, argc, argv, error, sizeof error) < 0) {
        fprintf(stderr, "eddy: %s\n", error);
        return 2;
    }
    if (program.options.help) {
        options_help(stdout);
        return 0;
    }
    int status = start(&program);
    sockets_close(&program.sockets);
    if (!close_all(&program)) _exit(status);
    policy_unload(&program.policy);
    if (program.root >= 0) close(program.root);
    free(program.threads);
    free(program.traced);
    free(program.board);
    return status;
}
