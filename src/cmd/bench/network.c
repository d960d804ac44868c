/* network.c: see network.h. The devices are made by ip and tc, programs of iproute2. */
#include "network.h"

#include <eddy.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVER_DEVICE  "eddy0"
#define CLIENTS_DEVICE "eddy1"

enum { SERVER_ADDRESS = 0x0ac60001 /* 10.198.0.1 */, ARGUMENTS_MAX = 16 };

static int clients_fd = -1; /* -1: the loopback */
static const char *said = "loopback";

/* --- The option --- */

static bool take_number(char *to, size_t size, const char *text, size_t length,
                        const char *const *units) {
    size_t digits = strspn(text, "0123456789");
    size_t number =
        digits + (text[digits] == '.' ? 1 + strspn(text + digits + 1, "0123456789") : 0);
    if (digits == 0 || number >= length || length >= size) return false;
    for (; *units != NULL; units++)
        if (strlen(*units) == length - number &&
            strncmp(text + number, *units, length - number) == 0)
            return snprintf(to, size, "%.*s", (int)length, text) > 0;
    return false;
}

bool bench_network_parse(struct bench_network *network, const char *text) {
    static const char *const times[] = {"us", "ms", "s", NULL}, *const shares[] = {"%", NULL};
    size_t length = strcspn(text, ",");
    *network = (struct bench_network){.text = text};
    if (length != strlen("netns") || strncmp(text, "netns", length) != 0) return false;
    for (text += length; *text == ','; text += length) {
        text++;
        length = strcspn(text, ",");
        if (length > 6 && strncmp(text, "delay=", 6) == 0
                ? !take_number(network->delay, sizeof network->delay, text + 6, length - 6, times)
            : length > 5 && strncmp(text, "loss=", 5) == 0
                ? !take_number(network->loss, sizeof network->loss, text + 5, length - 5, shares)
                : true)
            return false;
    }
    return true;
}

/* --- Devices --- */

static void tell_command(char *const *arguments) {
    fputs("eddy: --network: \"", stderr);
    for (size_t i = 0; arguments[i] != NULL; i++)
        fprintf(stderr, "%s%s", i > 0 ? " " : "", arguments[i]);
    fputs("\" failed; it wants ip and tc of iproute2, CAP_NET_ADMIN, and a kernel with veth and "
          "netem\n",
          stderr);
}

/* Runs a program in the server's namespace, or in the clients'. */
static bool run(bool is_clients, const char *command) {
    char text[256], *arguments[ARGUMENTS_MAX + 1], *rest = NULL;
    size_t count = 0;
    int status = -1;
    snprintf(text, sizeof text, "%s", command);
    for (char *it = strtok_r(text, " ", &rest); it != NULL && count < ARGUMENTS_MAX;
         it = strtok_r(NULL, " ", &rest))
        arguments[count++] = it;
    arguments[count] = NULL;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (!is_clients || network_go(clients_fd) == 0) execvp(arguments[0], arguments);
        _exit(127);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (status == 0) return true;
    tell_command(arguments);
    return false;
}

static bool shape(bool is_clients, const struct bench_network *network) {
    char command[128];
    bool has_delay = network->delay[0] != '\0', has_loss = network->loss[0] != '\0';
    if (!has_delay && !has_loss) return true;
    /* The limit is of packets that are on their way: with fewer than a delay holds, it would lose
     * them. */
    snprintf(command, sizeof command, "tc qdisc add dev %s root netem limit 1000000%s%s%s%s",
             is_clients ? CLIENTS_DEVICE : SERVER_DEVICE, has_delay ? " delay " : "",
             network->delay, has_loss ? " loss " : "", network->loss);
    return run(is_clients, command);
}

static bool make_devices(const struct bench_network *network) {
    char command[128];
    snprintf(command, sizeof command,
             "ip link add " SERVER_DEVICE " type veth peer name " CLIENTS_DEVICE
             " netns /proc/self/fd/%d",
             clients_fd);
    return run(false, command) && run(false, "ip addr add 10.198.0.1/30 dev " SERVER_DEVICE) &&
           run(false, "ip link set " SERVER_DEVICE " up") && run(false, "ip link set lo up") &&
           run(true, "ip addr add 10.198.0.2/30 dev " CLIENTS_DEVICE) &&
           run(true, "ip link set " CLIENTS_DEVICE " up") && shape(false, network) &&
           shape(true, network);
}

bool bench_network_open(const struct bench_network *network) {
    char text[64];
    if (network->text == NULL) return true;
    clients_fd = network_make();
    said = network->text;
    if (clients_fd >= 0) return make_devices(network);
    fprintf(stderr,
            "eddy: --network: no network namespace can be made: %s; it takes CAP_SYS_ADMIN, or a "
            "Linux that lets users have namespaces (user.max_user_namespaces)\n",
            eddy_strerror(clients_fd, text, sizeof text));
    return false;
}

int bench_network_enter(void) {
    return clients_fd < 0 ? 0 : network_go(clients_fd);
}

const char *bench_network_text(void) {
    return said;
}

struct sockaddr_in bench_network_address(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(clients_fd < 0 ? INADDR_LOOPBACK : SERVER_ADDRESS);
    return address;
}
