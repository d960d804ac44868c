/* lookup.c: looks names up, all of them at once and none on a thread, by c-ares on the loop:
 *
 *     lookup debian.org kernel.org example.invalid
 *     lookup -s 9.9.9.9 debian.org
 *
 * Answers are told in the order in which they come: IPv4 and IPv6 addresses, or why there are none.
 * -s asks that name server (ADDRESS or ADDRESS:PORT, several with commas) and not those of
 * /etc/resolv.conf. Ctrl-C cancels what has not been answered. Exit status 1 if a name was not
 * found. */
#include <eddy.h>
#include <eddy/adapter/cares.h>

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static eddy_ares ares;
static eddy_signal interrupt;
static int left, failed;

static void end_one(void) {
    if (--left > 0) return;
    eddy_signal_stop(&interrupt);
    eddy_ares_close(&ares, NULL);
}

static void tell(const char *name, const struct ares_addrinfo *found) {
    char address[NI_MAXHOST];
    printf("%s", name);
    for (const struct ares_addrinfo_node *it = found->nodes; it != NULL; it = it->ai_next)
        if (getnameinfo(it->ai_addr, it->ai_addrlen, address, sizeof address, NULL, 0,
                        NI_NUMERICHOST) == 0) /* a number is not looked up */
            printf(" %s", address);
    printf("\n");
    fflush(stdout);
}

/* Also inside ares_getaddrinfo, for what is known at once. */
static void on_answer(void *context, int status, int timeouts, struct ares_addrinfo *found) {
    const char *name = context;
    (void)timeouts;
    if (status == ARES_SUCCESS) {
        tell(name, found);
        ares_freeaddrinfo(found);
    } else {
        fprintf(stderr, "lookup: %s: %s\n", name, ares_strerror(status));
        failed++;
    }
    end_one();
}

static void on_interrupt(eddy_signal *watcher, int number) {
    (void)number;
    eddy_signal_stop(watcher); /* the next one is the system's */
    eddy_ares_cancel(&ares);
}

static int run(eddy_loop *loop, const char *servers, char **names, int count) {
    struct ares_options options = {.timeout = 2000, .tries = 3};
    int status = eddy_ares_open(&ares, loop, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (status != ARES_SUCCESS) {
        fprintf(stderr, "lookup: %s\n", ares_strerror(status));
        return 1;
    }
    if (servers != NULL) status = ares_set_servers_ports_csv(eddy_ares_channel(&ares), servers);
    if (status != ARES_SUCCESS) {
        fprintf(stderr, "lookup: %s: %s\n", servers, ares_strerror(status));
        eddy_ares_close(&ares, NULL);
        eddy_loop_run(loop, EDDY_RUN_DEFAULT);
        return 2;
    }
    eddy_signal_init(&interrupt, loop);
    if (eddy_signal_start(&interrupt, on_interrupt, SIGINT) < 0)
        fprintf(stderr, "lookup: Ctrl-C ends it at once\n");
    left = count + 1; /* one is ours, until all have been asked for */
    for (int i = 0; i < count; i++) {
        struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
        ares_getaddrinfo(eddy_ares_channel(&ares), names[i], NULL, &hints, on_answer, names[i]);
    }
    end_one();
    if (eddy_loop_run(loop, EDDY_RUN_DEFAULT) < 0) return 1;
    return failed > 0;
}

int main(int argc, char **argv) {
    const char *servers = NULL;
    int first = 1;
    eddy_loop *loop;
    if (argc > 2 && strcmp(argv[1], "-s") == 0) {
        servers = argv[2];
        first = 3;
    }
    if (first >= argc || argv[first][0] == '-') {
        fprintf(stderr, "usage: lookup [-s SERVER[,SERVER...]] NAME...\n");
        return 2;
    }
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) return 1;
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    int status = run(loop, servers, argv + first, argc - first);
    ares_library_cleanup();
    return eddy_loop_close(loop) < 0 ? 1 : status;
}
