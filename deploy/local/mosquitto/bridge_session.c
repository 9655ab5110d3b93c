/* A plugin for Mosquitto 2.0 (plugin interface 5): who may have the bridge's session.
 *
 * A session belongs to whoever connects with its client ID: a stranger who does so takes what is queued in it, or discards it. Mosquitto 2.0.11 can tie
 * client IDs to users (use_username_as_clientid), but then it refuses everybody without a user name, and the local stack is there for
 * `mosquitto_pub` without one. So here: client IDs that begin with the bridge's user name need that user and its password; everybody else is let in as before.
 *
 * In a secured instance the broker has passwords of everybody. Then this says which client IDs a user may ask for, with `plugin_opt_own_ids_except` in place of the
 * password file: only its own name, except for users whose names begin with that text. The passwords are left to the broker.
 *
 * Built by part.sh; it needs no header of Mosquitto, for Debian has those in a package of their own. The declarations are those of mosquitto_broker.h.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PLUGIN_INTERFACE = 5, EVENT_BASIC_AUTH = 3, OK = 0, BAD_SETTINGS = 3, REFUSED = 11, LEAVE_TO_OTHERS = 17, LOG_WARNING = 4, LOG_ERROR = 8 };

struct mosquitto;

struct mosquitto_opt {
  char *key;
  char *value;
};

struct basic_auth {
  void *future;
  struct mosquitto *client;
  char *username;
  char *password;
  void *future2[4];
};

typedef int (*callback)(int event, void *data, void *userdata);
int mosquitto_callback_register(void *identifier, int event, callback function, const void *event_data, void *userdata);
const char *mosquitto_client_id(const struct mosquitto *client);
const char *mosquitto_client_address(const struct mosquitto *client);
void mosquitto_log_printf(int level, const char *format, ...);

static char user[128];
static char password[128];
/* Whose users may have other client IDs than their names; empty: there is a password of the bridge instead. */
static char own_ids_except[128];

/* Takes as long for a password that begins well as for any other of its length. */
static int same(const char *a, const char *b) {
  size_t length = strlen(b), i;
  unsigned char difference = 0;
  if (strlen(a) != length) return 0;
  for (i = 0; i < length; i++) difference |= (unsigned char)(a[i] ^ b[i]);
  return difference == 0;
}

/* Once a second at most: a stranger must not fill the disk. */
static void complain(const char *address, const char *because) {
  static time_t said;
  static unsigned long refused;
  refused++;
  if (time(NULL) == said) return;
  said = time(NULL);
  mosquitto_log_printf(LOG_WARNING, "A client at %s is refused, the %luth: %s.", address == NULL ? "?" : address, refused, because);
}

static int begins_with(const char *text, const char *start) { return text != NULL && strncmp(text, start, strlen(start)) == 0; }

static int authenticate(int event, void *data, void *userdata) {
  const struct basic_auth *request = data;
  const char *id = mosquitto_client_id(request->client);
  const char *address = mosquitto_client_address(request->client);
  int is_bridge = request->username != NULL && strcmp(request->username, user) == 0;
  int checked_here = own_ids_except[0] == '\0';
  int proven = is_bridge && (!checked_here || (request->password != NULL && same(request->password, password)));
  (void)event;
  (void)userdata;
  if (is_bridge && request->password != NULL && !proven) return REFUSED;
  if (begins_with(id, user) && !proven) {
    complain(address, "it has the bridge's client ID, and is not the bridge");
    return REFUSED;
  }
  if (checked_here) return OK;
  if (request->username != NULL && !begins_with(request->username, own_ids_except) && (id == NULL || strcmp(id, request->username) != 0)) {
    complain(address, "its client ID is not its user name");
    return REFUSED;
  }
  return LEAVE_TO_OTHERS;
}

static int read_password(const char *path) {
  FILE *file = fopen(path, "r");
  int read;
  if (file == NULL) return 0;
  read = fgets(password, sizeof password, file) != NULL;
  fclose(file);
  password[strcspn(password, "\r\n")] = '\0';
  return read && password[0] != '\0';
}

int mosquitto_plugin_version(int count, const int *versions) {
  int i;
  for (i = 0; i < count; i++)
    if (versions[i] == PLUGIN_INTERFACE) return PLUGIN_INTERFACE;
  return -1;
}

int mosquitto_plugin_init(void *identifier, void **userdata, struct mosquitto_opt *options, int count) {
  const char *path = NULL;
  int i;
  (void)userdata;
  for (i = 0; i < count; i++) {
    if (strcmp(options[i].key, "user") == 0) snprintf(user, sizeof user, "%s", options[i].value);
    if (strcmp(options[i].key, "password_file") == 0) path = options[i].value;
    if (strcmp(options[i].key, "own_ids_except") == 0) snprintf(own_ids_except, sizeof own_ids_except, "%s", options[i].value);
  }
  if (user[0] == '\0' || (path == NULL) == (own_ids_except[0] == '\0') || (path != NULL && !read_password(path))) {
    mosquitto_log_printf(LOG_ERROR, "bridge_session: expected plugin_opt_user, and plugin_opt_password_file with a password in its first line or plugin_opt_own_ids_except");
    return BAD_SETTINGS;
  }
  return mosquitto_callback_register(identifier, EVENT_BASIC_AUTH, authenticate, NULL, NULL);
}

int mosquitto_plugin_cleanup(void *userdata, struct mosquitto_opt *options, int count) {
  (void)userdata;
  (void)options;
  (void)count;
  return OK;
}
