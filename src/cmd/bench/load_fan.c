#include "load_clients.h"
int load_begin_fan_in(const struct load_order *order) {
    (void)order;
    return 0;
}
int load_begin_fan_out(const struct load_order *order) {
    (void)order;
    return 0;
}
