/* The bare-metal device, on an emulated Cortex-M3 whose UART leads to a real broker. Takes the image's path. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker.h"
#include "check.h"

static const char *image;
static int port;

static int run_device(void) {
  char serial[64];
  int status = -1;
  pid_t emulator;
  snprintf(serial, sizeof serial, "tcp:127.0.0.1:%d", port);
  emulator = fork();
  if (emulator == 0) {
    execlp("qemu-system-arm", "qemu-system-arm", "-M", "mps2-an385", "-nographic", "-monitor", "none", "-serial", serial,
           "-semihosting-config", "enable=on,target=native", "-kernel", image, (char *)NULL);
    _exit(127);
  }
  waitpid(emulator, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_bare_metal_device_delivers_its_samples(void) {
  listener_start(port, "devices/cortex-m-1/#");
  CHECK_EQUAL(run_device(), 0);
  CHECK(listener_waits_for("devices/cortex-m-1/status", "{\"state\":\"ready\",\"boot\":1,\"firmware\":\"plant-1\"}"));
  CHECK(listener_waits_for("devices/cortex-m-1/status", "{\"state\":\"sleeping\",\"boot\":1,\"firmware\":\"plant-1\"}"));
  CHECK(listener_count() >= 4); /* two frames at least: 40 samples in two seconds */
  listener_stop();
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  image = argv[1];
  port = broker_start();
  if (port == 0) return 1;
  run("a bare-metal device delivers its samples to a real broker", a_bare_metal_device_delivers_its_samples);
  broker_stop();
  return finish();
}
