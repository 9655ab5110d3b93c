/* A plugin for Mosquitto 2.0 (plugin interface 5): who does not say who he is, is hung up on.
 *
 * Mosquitto waits for the CONNECT of a new connection for one and a half times 60 s, and nothing sets that: a stranger with a few thousand connections a minute
 * takes all of its descriptors without a word. A client that was let in has been sent its CONNACK. So a connection to which the broker has not sent a byte for
 * `plugin_opt_seconds` (10 unless told otherwise) is shut down, and the broker then finds it closed. What the peer has sent does not count: it may be one byte a
 * second. With TLS the handshake counts as something sent; a peer that begins none is found.
 *
 * It looks at a slice of the descriptors at a time, four times a second, which takes 1 ms of the broker's one thread in 250.
 *
 * Built by part.sh; it needs no header of Mosquitto, for Debian has those in a package of their own. The declarations are those of mosquitto_broker.h.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PLUGIN_INTERFACE = 5, EVENT_TICK = 9, OK = 0, BAD_SETTINGS = 3, LOG_WARNING = 4, LOG_ERROR = 8 };
enum { ESTABLISHED = 1, MOST_DESCRIPTORS = 1 << 20, LOOK_NS = 250 * 1000 * 1000 };
/* A look is so many connections, or eight times as many numbers that are no descriptor: these cost an eighth. */
enum { LOOK_CONNECTIONS = 1000, CONNECTION_COST = 8 };

struct mosquitto_opt {
  char *key;
  char *value;
};

typedef int (*callback)(int event, void *data, void *userdata);
int mosquitto_callback_register(void *identifier, int event, callback function, const void *event_data, void *userdata);
void mosquitto_log_printf(int level, const char *format, ...);

/* A connection to which nothing was sent when it was looked at, by its descriptor. The inode tells it from the next one with that number. */
struct silent {
  ino_t inode;
  time_t since;
};

static struct silent *silent;
static int descriptors;
static int longest = 10;

/* Whether not a byte was sent over it: the peer has acknowledged nothing but our SYN. */
static int is_silent(const struct tcp_info *info) {
  return info->tcpi_state == ESTABLISHED && info->tcpi_bytes_acked <= 1 && info->tcpi_notsent_bytes == 0 && info->tcpi_unacked == 0;
}

/* Once a second at most: a stranger must not fill the disk. */
static void say(time_t now) {
  static time_t said;
  static unsigned long closed;
  closed++;
  if (now == said) return;
  said = now;
  mosquitto_log_printf(LOG_WARNING, "A connection that said nothing for %d s is closed, the %luth.", longest, closed);
}

/* Returns what it cost. */
static int look_at(int fd, time_t now) {
  struct tcp_info info;
  struct stat status;
  socklen_t length = sizeof info;
  memset(&info, 0, sizeof info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) {
    silent[fd].inode = 0;
    return 1;
  }
  if (!is_silent(&info) || fstat(fd, &status) != 0) {
    silent[fd].inode = 0;
    return CONNECTION_COST;
  }
  if (silent[fd].inode != status.st_ino) {
    silent[fd].inode = status.st_ino;
    silent[fd].since = now;
  } else if (now - silent[fd].since >= longest) {
    silent[fd].inode = 0;
    shutdown(fd, SHUT_RDWR);
    say(now);
  }
  return CONNECTION_COST;
}

static int tick(int event, void *data, void *userdata) {
  static struct timespec looked;
  static int next;
  struct timespec now;
  int left;
  (void)event;
  (void)data;
  (void)userdata;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if ((now.tv_sec - looked.tv_sec) * 1000000000LL + (now.tv_nsec - looked.tv_nsec) < LOOK_NS) return OK;
  looked = now;
  for (left = LOOK_CONNECTIONS * CONNECTION_COST; left > 0 && next < descriptors; next++) left -= look_at(next, now.tv_sec);
  if (next >= descriptors) next = 0;
  return OK;
}

int mosquitto_plugin_version(int count, const int *versions) {
  int i;
  for (i = 0; i < count; i++)
    if (versions[i] == PLUGIN_INTERFACE) return PLUGIN_INTERFACE;
  return -1;
}

int mosquitto_plugin_init(void *identifier, void **userdata, struct mosquitto_opt *options, int count) {
  long most = sysconf(_SC_OPEN_MAX);
  int i;
  (void)userdata;
  for (i = 0; i < count; i++)
    if (strcmp(options[i].key, "seconds") == 0) longest = atoi(options[i].value);
  descriptors = most <= 0 || most > MOST_DESCRIPTORS ? MOST_DESCRIPTORS : (int)most;
  silent = calloc((size_t)descriptors, sizeof *silent);
  if (longest < 1 || silent == NULL) {
    mosquitto_log_printf(LOG_ERROR, "silent_sockets: expected plugin_opt_seconds of 1 or more");
    return BAD_SETTINGS;
  }
  return mosquitto_callback_register(identifier, EVENT_TICK, tick, NULL, NULL);
}

int mosquitto_plugin_cleanup(void *userdata, struct mosquitto_opt *options, int count) {
  (void)userdata;
  (void)options;
  (void)count;
  free(silent);
  return OK;
}
