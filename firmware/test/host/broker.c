#define _GNU_SOURCE
#include "broker.h"

#include <arpa/inet.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t broker;
static char directory[32];

static int connect_port(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int connected = connect(socket_, (struct sockaddr *)&address, sizeof address);
  close(socket_);
  return connected;
}

static int free_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(socket_, (struct sockaddr *)&address, sizeof address) != 0) return 0;
  getsockname(socket_, (struct sockaddr *)&address, &length);
  close(socket_);
  return ntohs(address.sin_port);
}

static void write_file(const char *name, const char *text, char *path, size_t size) {
  snprintf(path, size, "%s/%s", directory, name);
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
}

static int tls_port;
static char ca_file[64];

int broker_tls_port(void) { return tls_port; }
const char *broker_ca_file(void) { return ca_file; }

/* A certificate of its own for localhost, which signs itself. */
static bool make_certificate(void) {
  char command[512];
  snprintf(ca_file, sizeof ca_file, "%s/ca.pem", directory);
  snprintf(command, sizeof command,
           "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext "
           "subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout %s/key.pem -out %s 2>/dev/null && chmod 644 %s/key.pem",
           directory, ca_file, directory);
  return system(command) == 0;
}

int broker_start(void) {
  char text[512], path[128], acl[128];
  int port = free_port();
  strcpy(directory, "/tmp/millrace-broker-XXXXXX");
  if (mkdtemp(directory) == NULL) return 0;
  chmod(directory, 0755);
  write_file("acl", "pattern readwrite devices/#\n", acl, sizeof acl);
  tls_port = free_port();
  if (!make_certificate()) {
    fprintf(stderr, "openssl could not make a certificate: apt-get install openssl\n");
    return 0;
  }
  snprintf(text, sizeof text,
           "allow_anonymous true\npersistence false\nlog_type none\nacl_file %s\nlistener %d 127.0.0.1\n"
           "listener %d 127.0.0.1\ncertfile %s\nkeyfile %s/key.pem\n", acl, port, tls_port, ca_file, directory);
  write_file("conf", text, path, sizeof path);
  broker = fork();
  if (broker == 0) {
    execlp("mosquitto", "mosquitto", "-c", path, (char *)NULL);
    execl("/usr/sbin/mosquitto", "mosquitto", "-c", path, (char *)NULL);
    _exit(127);
  }
  for (int i = 0; i < 200; i++) {
    if (connect_port(port) == 0) return port;
    if (waitpid(broker, NULL, WNOHANG) == broker) break;
    usleep(10000);
  }
  fprintf(stderr, "mosquitto did not start: apt-get install mosquitto\n");
  return 0;
}

void broker_freeze(bool frozen) { kill(broker, frozen ? SIGSTOP : SIGCONT); }

void broker_stop(void) {
  char path[128];
  kill(broker, SIGTERM);
  waitpid(broker, NULL, 0);
  static const char *const names[] = {"acl", "conf", "ca.pem", "key.pem"};
  for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
    snprintf(path, sizeof path, "%s/%s", directory, names[i]);
    unlink(path);
  }
  rmdir(directory);
}

#define RECEIVED 4096
static struct mosquitto *listener;
static char *received[RECEIVED];
static int count;
static bool subscribed;

static void on_message(struct mosquitto *client, void *context, const struct mosquitto_message *message) {
  (void)client, (void)context;
  if (count == RECEIVED) return;
  if (asprintf(&received[count], "%s %.*s", message->topic, message->payloadlen, (const char *)message->payload) > 0) count++;
}

static void on_subscribe(struct mosquitto *client, void *context, int mid, int qos_count, const int *granted) {
  (void)client, (void)context, (void)mid, (void)qos_count, (void)granted;
  subscribed = true;
}

void listener_start(int port, const char *filter) {
  subscribed = false;
  listener = mosquitto_new(NULL, true, NULL);
  mosquitto_int_option(listener, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
  mosquitto_message_callback_set(listener, on_message);
  mosquitto_subscribe_callback_set(listener, on_subscribe);
  if (mosquitto_connect(listener, "127.0.0.1", port, 60) != MOSQ_ERR_SUCCESS) abort();
  mosquitto_subscribe(listener, NULL, filter, 1);
  while (!subscribed) mosquitto_loop(listener, 10, 1);
}

void listener_stop(void) {
  mosquitto_disconnect(listener);
  mosquitto_destroy(listener);
  while (count > 0) free(received[--count]);
}

bool listener_waits_for(const char *topic, const char *payload) {
  char wanted[512];
  snprintf(wanted, sizeof wanted, "%s %s", topic, payload);
  time_t begun = time(NULL);
  while (time(NULL) - begun < 10) {
    for (int i = 0; i < count; i++)
      if (strcmp(received[i], wanted) == 0) return true;
    mosquitto_loop(listener, 10, 1);
  }
  return false;
}

int listener_count(void) {
  for (int turn = 0; turn < 50; turn++) mosquitto_loop(listener, 10, 1);
  return count;
}
