/* nginx.h: an nginx of the test's own, one process, on loopback and a port that the system gave,
 * its files in a directory of its own. It ends with the test, however that ends. */
#ifndef EDDY_TESTS_NGINX_H
#define EDDY_TESTS_NGINX_H

#include "net.h"
#include "suite.h"
#include "system.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NGINX_SMALL_BYTES = 12, NGINX_MIDDLE_BYTES = 300 * 1000 };

struct nginx {
    pid_t pid;
    int port, reserved;
    int h2_port, h2_reserved; /* TLS and HTTP/2; 0: there is no openssl to make a certificate */
    char dir[64];
};

/* A file of `size` bytes below what is served. */
static inline void nginx_file(const struct nginx *it, const char *name, const char *text,
                              off_t size) {
    char path[128];
    snprintf(path, sizeof path, "%s/www/%s", it->dir, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(truncate(path, size), 0);
}

static inline void nginx_configure(const struct nginx *it) {
    static const char *const temporary[] = {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"};
    char path[128];
    snprintf(path, sizeof path, "%s/nginx.conf", it->dir);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file,
            "daemon off; master_process off; pid %s/pid; error_log %s/error.log;\n"
            "events { worker_connections 512; }\n"
            "http { access_log off; sendfile on; client_max_body_size 0;\n"
            "keepalive_timeout 60; keepalive_requests 1000000;\n",
            it->dir, it->dir);
    for (size_t i = 0; i < sizeof temporary / sizeof temporary[0]; i++)
        fprintf(file, "%s_temp_path %s/temp;\n", temporary[i], it->dir);
    fprintf(file,
            "server { listen 127.0.0.1:%d backlog=1024 reuseport; root %s/www;\n"
            "location /slow/ { alias %s/www/; limit_rate 20k; }\n"
            "location /once/ { alias %s/www/; keepalive_timeout 0; }\n"
            "location /moved { return 302 /small; }\n"
            "location /put/ { dav_methods PUT; } }\n",
            it->port, it->dir, it->dir, it->dir);
    if (it->h2_port > 0)
        fprintf(file,
                "server { listen 127.0.0.1:%d ssl http2 reuseport; root %s/www; limit_rate 20k;\n"
                "ssl_certificate %s/cert; ssl_certificate_key %s/key; }\n",
                it->h2_port, it->dir, it->dir, it->dir);
    fprintf(file, "}\n");
    ck_assert_int_eq(fclose(file), 0);
}

static inline int nginx_socket(int port, struct sockaddr_in *address) {
    struct sockaddr_storage any;
    (void)loopback(&any, AF_INET);
    memcpy(address, &any, sizeof *address);
    address->sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* A port that stays ours: bound, and listened to by the server alone. Returns its socket. */
static inline int nginx_reserve(int *port) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int on = 1;
    int fd = nginx_socket(0, &address);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static inline void nginx_await(struct nginx *it) {
    struct sockaddr_in address;
    for (int i = 0; i < 2000; i++) {
        int fd = nginx_socket(it->port, &address);
        int err = connect(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (err == 0) return;
        sleep_ns(5 * EDDY_NS_PER_MS);
    }
    ck_abort_msg("nginx does not listen");
}

/* For the first time, or again after nginx_kill. */
static inline void nginx_run(struct nginx *it) {
    char file[128];
    snprintf(file, sizeof file, "%s/nginx.conf", it->dir);
    it->pid = fork();
    ck_assert_int_ge(it->pid, 0);
    if (it->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("PATH", "/usr/sbin:/usr/local/sbin:/usr/bin:/bin", 1);
        execlp("nginx", "nginx", "-p", it->dir, "-c", file, "-e", "stderr", (char *)NULL);
        _exit(127);
    }
    nginx_await(it);
}

static inline void nginx_start(struct nginx *it) {
    char path[128];
    *it = (struct nginx){.dir = "/tmp/eddy-nginx-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(it->dir));
    snprintf(path, sizeof path, "%s/www", it->dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/www/put", it->dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    nginx_file(it, "small", "hello, world", NGINX_SMALL_BYTES);
    nginx_file(it, "middle", "", NGINX_MIDDLE_BYTES);
    it->reserved = nginx_reserve(&it->port);
    nginx_configure(it);
    nginx_run(it);
}

/* At once, in the middle of whatever it does. */
static inline void nginx_kill(struct nginx *it) {
    int status;
    if (it->pid <= 0) return;
    kill(it->pid, SIGKILL);
    waitpid(it->pid, &status, 0);
    it->pid = 0;
}

/* It begins anew, with TLS; false where that is not to be had. */
static inline bool nginx_add_tls(struct nginx *it) {
    char command[512];
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
             "-subj /CN=localhost -keyout %s/key -out %s/cert > /dev/null 2>&1",
             it->dir, it->dir);
    if (system(command) != 0) return false;
    it->h2_reserved = nginx_reserve(&it->h2_port);
    nginx_configure(it);
    nginx_kill(it);
    nginx_run(it);
    return true;
}

static inline void nginx_stop(struct nginx *it) {
    char command[128];
    nginx_kill(it);
    close(it->reserved);
    if (it->h2_port > 0) close(it->h2_reserved);
    snprintf(command, sizeof command, "rm -rf '%s'", it->dir);
    ck_assert_int_eq(system(command), 0);
}

#endif
