/* local_address.c: what --unix may name. Without state. */
#include "serve_options.h"

#include <eddy.h>
#include <string.h>

/* A path that begins with "@" can be written as "./@". */
int options_local_address(const char *local, struct sockaddr_storage *address) {
    char name[256] = "";
    size_t length = strlen(local);
    if (local[0] != '@' || length > sizeof name)
        return eddy_address_of_name(address, local, length);
    memcpy(name + 1, local + 1, length - 1);
    return eddy_address_of_name(address, name, length);
}
