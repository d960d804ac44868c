/* socket.h: sockets, and how connecting finds a listener. socket.c: the calls; network.c: names,
 * listeners, connecting; local.c: the same of local ones. */
#ifndef EDDY_TESTS_SIM_SOCKET_H
#define EDDY_TESTS_SIM_SOCKET_H

#include "wire.h"

enum sim_socket_state {
    SOCKET_NEW,
    SOCKET_LISTENING,
    SOCKET_CONNECTING,
    SOCKET_CONNECTED,
    SOCKET_FAILED, /* to connect */
};

struct sim_socket {
    struct sim_socket *next; /* of all that have a name of their own */
    struct sim_description *description;
    enum sim_socket_state state;
    int family;
    int error;                   /* of connecting, positive, given out once */
    struct sim_end *end;         /* connected */
    struct sim_attempt *attempt; /* connecting */
    struct sim_address local;
    struct node *name;                   /* of a local one, in the tree; NULL: none, or abstract */
    struct sim_end *queue, **queue_last; /* listening: whom accept gives out */
    unsigned queued, backlog;
    bool has_connected; /* and another connect will say so */
    bool is_bound, reuse_address, reuse_port, v6_only, reset_on_close;
};

/* --- network.c --- */

int network_bind(struct sim_socket *socket, const struct sockaddr *address, socklen_t length);
int network_listen(struct sim_socket *socket);
void network_forget(struct sim_socket *socket); /* closed: its name is free, its queue is reset */
/* Starts connecting; `done` is called once, later or at once, unless it is given up before.
 * `failure`: the error that it ends with whatever happens, or 0. `attempt` is set before anything
 * is called. */
typedef void sim_connect_fn(void *owner, struct sim_end *end, int error);
void network_connect(const struct sockaddr *address, struct sim_address *local, int failure,
                     bool at_once, sim_connect_fn *done, void *owner, struct sim_attempt **attempt);
void network_give_up(struct sim_attempt *attempt);
/* Names for both ends of a connection that nobody has connected. */
void network_name_pair(struct sim_end *end);
void network_begin(void);
void network_end(void);

/* --- local.c --- */

void local_begin(void);
int local_bind(struct sim_socket *socket, const struct sockaddr *address, socklen_t length);
/* Done at once; gives the client's end. -EAGAIN: the backlog is full. */
int local_connect(struct sim_socket *socket, const struct sockaddr *address, socklen_t length,
                  struct sim_end **end);
void local_forget(struct sim_socket *socket); /* closed: the name stays in the tree */

/* --- socket.c --- */

/* A call of the seam begins: finds its socket, or fails. With an error of the weather, the socket
 * is there as well; NULL if there is none. */
int socket_enter(enum os_call call, int fd, struct sim_socket **socket);
ssize_t socket_receive(void *object, void *data, size_t size);
ssize_t socket_send(void *object, const void *data, size_t size);
int socket_take_error(struct sim_socket *socket); /* positive, or 0 */
/* As the kernel does it: as much as there is room for, and how much there would be. */
void socket_give_address(const struct sim_address *from, struct sockaddr *address,
                         socklen_t *length);

/* The name, or that of a local socket which has none. */
const struct sim_address *socket_name(const struct sim_socket *socket,
                                      const struct sim_address *name);

/* A descriptor for an end; it is closed if there is no number left. */
int socket_add(int family, struct sim_end *end);

/* --- peer.c --- */

void peers_end(void); /* frees those that the program has left */

#endif
