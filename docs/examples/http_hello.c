/* http_hello.c: an HTTP server, on a port that the kernel picks:
 *     http_hello          then open what it prints, in a browser or with curl
 * and with a number, until so many requests have been answered. */
#include <eddy.h>
#include <eddy/http.h>
#include <stdio.h>

#include "number.h"

static void hello(eddy_http_request *request, void *context) {
    long *left = context;
    eddy_http_add(request, "Content-Type", "text/plain; charset=utf-8");
    eddy_http_respond(request, 200, "Hello, world!\n", 14);
    if (*left > 0 && --*left == 0) eddy_http_stop(eddy_http_server(request), NULL, NULL);
}

int main(int argc, char **argv) {
    long left = 0;
    if (argc > 2 || (argc == 2 && !number_parse(argv[1], 1, 1000000, &left)))
        return fprintf(stderr, "usage: http_hello [REQUESTS]\n"), 2;
    eddy_loop *loop;
    eddy_http *http;
    eddy_http_listener listener;
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (eddy_loop_open(&loop, NULL) < 0 || eddy_http_open(&http, loop, NULL) < 0) return 1;
    eddy_http_handle(http, "GET", "/", hello, &left);
    int size = eddy_address_parse(&address, "127.0.0.1", 0);
    if (eddy_http_listen(http, &listener, (struct sockaddr *)&address, (socklen_t)size, 0, NULL) <
        0)
        return 1;
    char name[64];
    eddy_listener_address(&listener.listener, (struct sockaddr *)&address, &length);
    eddy_address_format((struct sockaddr *)&address, name, sizeof name);
    printf("http://%s/\n", name);
    fflush(stdout);
    eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return eddy_http_close(http) < 0 || eddy_loop_close(loop) < 0;
}
