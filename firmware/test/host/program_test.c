/* The programs fleet and millrace-device, as processes, against a real broker. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker.h"
#include "check.h"
#include "hive_2.h"
#include "line.h"
#include "suites.h"

static char directory[] = "/tmp/millrace-programs-XXXXXX";
static int port;

/* Starts a shell command in the scratch directory; %s in it is the broker's URL. */
static pid_t start(const char *command) {
  char url[64], line[1024];
  snprintf(url, sizeof url, "--url mqtt://127.0.0.1:%d", port);
  snprintf(line, sizeof line, command, url);
  pid_t child = fork();
  if (child == 0) {
    char *build = realpath("build", NULL);
    setenv("B", build == NULL ? "" : build, 1);
    if (chdir(directory) != 0) _exit(126);
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0666);
    dup2(log, STDERR_FILENO);
    execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    _exit(127);
  }
  return child;
}

static int wait_for(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int shell(const char *command) { return wait_for(start(command)); }

static void a_file_goes_through_whole_and_is_in_the_ledger(void) {
  listener_start(port, "devices/+/telemetry");
  CHECK_EQUAL(shell("(echo time,device,temperature,humidity; for i in $(seq 100 999); do echo 1795416369$i,hive-$((i %% 7)),2$((i %% 10)).25,40; done) > in.csv"), 0);
  CHECK_EQUAL(shell("$B/fleet %s --csv --boot-file boot --ledger ledger.csv < in.csv"), 0);
  CHECK_EQUAL(shell("awk -F, 'NR > 1 { s += $6; n++ } END { exit !(s == 900 && n >= 7) }' ledger.csv"), 0);
  CHECK(listener_count() >= 7);
  CHECK_EQUAL(shell("$B/fleet --csv --list-devices < in.csv | wc -l | grep -qx 7"), 0);
  listener_stop();
}

static void a_file_goes_through_by_tls_and_a_broker_that_nobody_vouches_for_gets_nothing(void) {
  char text[64];
  snprintf(text, sizeof text, "%d", broker_tls_port());
  setenv("TLS_PORT", text, 1);
  setenv("CA", broker_ca_file(), 1);
  listener_start(port, "devices/a/telemetry");
  CHECK_EQUAL(shell("printf 'time,device,temperature,humidity\n1795406400123,a,20.25,\n1795406400124,a,-1,40\n' > two.csv; echo secret > password"), 0);
  CHECK_EQUAL(shell("$B/fleet --url mqtts://127.0.0.1:$TLS_PORT --ca $CA --username fleet --password-file password --csv --boot-file boot < two.csv"), 0);
  CHECK_EQUAL(listener_count(), 1);
  CHECK_EQUAL(shell("$B/fleet --url mqtts://127.0.0.1:$TLS_PORT --csv --drain 1 --boot-file boot < two.csv 2> said; test $? = 1 && grep -q 'TLS: 127.0.0.1: its certificate is not taken' said"), 0);
  CHECK_EQUAL(shell("$B/fleet --url mqtts://127.0.0.1:$TLS_PORT --ca two.csv --csv < two.csv 2> said; test $? = 2 && grep -q 'TLS: two.csv' said"), 0);
  CHECK_EQUAL(listener_count(), 1);
  listener_stop();
}

static void a_file_goes_through_as_json_one_sample_a_message(void) {
  listener_start(port, "devices/a/telemetry");
  CHECK_EQUAL(shell("printf 'time,device,temperature,humidity\\n1795406400123,a,20.25,\\n1795406400124,a,-1,40\\n' | $B/fleet %s --csv --json --boot-file boot --ledger json.csv --ledger-frames"), 0);
  CHECK_EQUAL(listener_count(), 2);
  CHECK_EQUAL(shell("awk -F, 'NR > 1 && ($3 != NR - 2 || $4 != 1795406400121 + NR || $4 != $5 || $6 != 1 || length($10) != 2 * $7) { exit 1 } END { exit NR != 3 }' json.csv"), 0);
  CHECK(listener_waits_for("devices/a/telemetry", "{\"ts\":\"2026-11-23T04:00:00.123Z\",\"temperature\":20.25,\"humidity\":null}"));
  CHECK(listener_waits_for("devices/a/telemetry", "{\"ts\":\"2026-11-23T04:00:00.124Z\",\"temperature\":-1,\"humidity\":40}"));
  listener_stop();
}

static void a_silent_network_loses_no_json(void) {
  listener_start(port, "devices/+/telemetry");
  pid_t fleet = start("$B/fleet %s --json --devices 5 --firmware plant-1 --sample-hz 20 --duration 3 --queue 200 --boot-file boot --ledger cutjson.csv --stats-json > stats.json");
  usleep(1000000);
  broker_freeze(true);
  usleep(1000000);
  broker_freeze(false);
  CHECK_EQUAL(wait_for(fleet), 0);
  CHECK_EQUAL(shell("awk -F, 'NR > 1 { s += $6 } END { exit s != 300 }' cutjson.csv"), 0);
  CHECK_EQUAL(shell("tail -1 stats.json | grep -q '\"samples\":300,\"readings\":1500,\"sealed\":300,.*\"acked\":300,.*\"dropped\":0,'"), 0);
  listener_stop();
}

static void json_that_finds_its_queue_full_is_counted(void) {
  listener_start(port, "devices/+/telemetry");
  CHECK_EQUAL(shell("$B/fleet %s --json --devices 1 --rate 900 --queue 1 --inflight 1 --turn-ms 50 --duration 1 --boot-file boot --ledger full.csv --stats-json > stats.json"), 0);
  CHECK_EQUAL(shell("f() { tail -1 stats.json | tr ',{' '\\n' | sed -n \"s/\\\"$1\\\"://p\"; }; n=$(awk -F, 'NR > 1 { s += $6 } END { print s }' full.csv); "
                    "test $((n + $(f dropped))) = $(f samples) && test $(f dropped) -gt 0 && test $n = $(f acked)"), 0);
  listener_stop();
}

static void a_line_that_cannot_be_taken_shows_in_the_exit_status(void) {
  listener_start(port, "devices/+/telemetry");
  CHECK_EQUAL(shell("printf 'time,device,temperature\\n1795416369100,a,20.25\\n1795416369101,a,20.255\\n' | $B/fleet %s --csv --boot-file boot"), 1);
  CHECK_EQUAL(shell("printf 'time,device,temperature\\n1795416369100,a,20.25\\n1795416369101,a,20.255\\n' | $B/fleet %s --csv --round --boot-file boot"), 0);
  listener_stop();
}

static void a_file_without_lines_is_an_error(void) {
  listener_start(port, "devices/+/telemetry");
  CHECK_EQUAL(shell("echo time,device,temperature | $B/fleet %s --csv --boot-file boot 2> said; test $? = 1 && grep -q 'expected lines after the header' said"), 0);
  listener_stop();
}

static void bad_usage_is_refused(void) {
  static const char *bad[] = {"--devices 0", "--devices x", "--url http://x", "--url mqtt://x:70000", "--ca x", "--url mqtts://x --password-file /nowhere", "--firmware hive-9", "--prefix a/b", "--json --sparse", "--json --flush-ms 5", "--json --max-payload 300", "--rate 5 --sample-hz 5",
                              "--csv --rate 5", "--round", "--max-payload 40", "--rate 1e9 --devices 1", "--print", "--nonsense", "extra", "--seed", "--sample-hz nan"};
  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char command[128];
    snprintf(command, sizeof command, "$B/fleet %s < /dev/null", bad[i]);
    CHECK_EQUAL(shell(command), 2);
  }
  CHECK_EQUAL(shell("$B/fleet --help | grep -q sample-hz"), 0);
  CHECK_EQUAL(shell("$B/millrace-device < /dev/null"), 2);
  CHECK_EQUAL(shell("$B/millrace-device --device a/b < /dev/null"), 2);
  CHECK_EQUAL(shell("$B/millrace-device --device a --url mqtts://x < /dev/null"), 2);
}

static void a_silent_network_loses_nothing(void) {
  listener_start(port, "devices/+/telemetry");
  pid_t fleet = start("$B/fleet %s --devices 5 --firmware plant-1 --sample-hz 20 --duration 5 --boot-file boot --ledger cut.csv --stats-json > stats.json");
  usleep(1500000);
  broker_freeze(true);
  usleep(2000000);
  broker_freeze(false);
  CHECK_EQUAL(wait_for(fleet), 0);
  CHECK_EQUAL(shell("awk -F, 'NR > 1 { s += $6 } END { exit s != 500 }' cut.csv"), 0);
  CHECK_EQUAL(shell("tail -1 stats.json | grep -q '\"samples\":500,.*\"dropped\":0,'"), 0);
  listener_stop();
}

static void a_fleet_that_is_interrupted_seals_and_drains(void) {
  listener_start(port, "devices/+/telemetry");
  pid_t fleet = start("exec $B/fleet %s --devices 5 --firmware plant-1 --sample-hz 20 --flush-ms 60000 --boot-file boot --ledger int.csv");
  usleep(1200000);
  kill(fleet, SIGINT);
  CHECK_EQUAL(wait_for(fleet), 0);
  CHECK_EQUAL(shell("awk -F, 'NR > 1 { s += $6 } END { exit !(s >= 5) }' int.csv"), 0);
  listener_stop();
}

static void a_device_keeps_its_readings_until_the_broker_is_there(void) {
  CHECK_EQUAL(shell("echo temperature=5 | $B/millrace-device --device pi-1 --url mqtt://127.0.0.1:1 --store s & sleep 1; kill $!; wait $!; test -s s"), 0);
  listener_start(port, "devices/pi-1/#");
  CHECK_EQUAL(shell("$B/millrace-device --device pi-1 %s --store s < /dev/null"), 0);
  CHECK_EQUAL(listener_count(), 3); /* birth, the frame of the first run, farewell */
  CHECK_EQUAL(shell("echo 35123 > thermal; timeout -s TERM 1 $B/millrace-device --device pi-1 %s --store s --thermal=thermal --interval-ms 100 --trust-clock; grep -q 'samples, 0 dropped, 0 not taken, all acknowledged' log"), 0);
  CHECK(listener_count() >= 6);
  listener_stop();
}

/* Runs a device for a second and a half; its words are in said. */
static void device_for_a_moment(const char *options) {
  char command[512];
  snprintf(command, sizeof command, "sleep 1.5 | $B/millrace-device --device pi-2 %s --store moment 2> said & sleep 1; kill -9 $!; true", options);
  CHECK_EQUAL(shell(command), 0);
}

static void a_device_says_at_once_why_it_waits(void) {
  device_for_a_moment("--url mqtt://127.0.0.1:1");
  CHECK_EQUAL(shell("grep -q 'waiting for the broker at 127.0.0.1:1: Connection refused; readings are kept in moment' said"), 0);
  CHECK_EQUAL(shell("grep -c waiting said | grep -qx 1"), 0);
  CHECK_EQUAL(shell("echo temperature=5 | $B/millrace-device --device pi-2 --url mqtt://127.0.0.1:1 --store moment 2> said & sleep 1; kill -9 $!; grep -q '1 frames wait at most 10 s' said"), 0);
}

static void a_device_that_had_nothing_to_send_does_not_say_acknowledged(void) {
  CHECK_EQUAL(shell("$B/millrace-device --device pi-3 %s --store empty < /dev/null 2> said; grep -q '0 samples, .*there was nothing to send' said && ! grep -q acknowledged said"), 0);
}

static void a_device_says_what_the_broker_has_against_a_frame(void) {
  CHECK_EQUAL(shell("echo temperature=5 | $B/millrace-device --device pi-4 %s --store refused 2> said & sleep 1; kill -9 $!; grep -q 'did not take a frame: .*(0x10), so nobody would get it' said"), 0);
}

static void two_devices_do_not_write_one_store(void) {
  CHECK_EQUAL(shell("sleep 1 | $B/millrace-device --device pi-5 %s --store shared & sleep 0.3; $B/millrace-device --device pi-6 --store shared < /dev/null 2> said; test $? = 2 && grep -q 'another millrace-device has it open' said"), 0);
}

/* 71 seconds of its own time: 30 readings in the first frame, 30 in the second, and the others still open. */
static void the_printed_example_sends_a_frame_for_thirty_readings(void) {
  char number[16];
  snprintf(number, sizeof number, "%d", port);
  setenv("EXAMPLE_PORT", number, 1);
  setenv("EXAMPLE_MS", "71000", 1);
  listener_start(port, "devices/hive-7/telemetry");
  CHECK_EQUAL(shell("$B/example"), 0);
  CHECK_EQUAL(listener_count(), 2);
  listener_stop();
}

static const char *parse(const char *text, struct line *line) {
  static const struct firmware hive = {&hive_2_schema, hive_2_metrics};
  static char copy[128];
  return line_parse(strcpy(copy, text), &hive, line);
}

static void lines_of_readings_are_understood(void) {
  struct line line;
  static const char *bad[] = {"", "temperature", "temperature=", "temperature=x", "pressure=1", "temperature=1,temperature=2", "temperature=1 yesterday", "battery_level=33"};
  CHECK(parse("temperature=26.1,battery_level=75 2026-11-23T04:00:00Z", &line) == NULL);
  CHECK_EQUAL(line.values[HIVE_2_TEMP16], 1058);
  CHECK_EQUAL(line.values[HIVE_2_CHARGE], 3);
  CHECK_EQUAL(line.values[HIVE_2_RH], 255);
  CHECK(line.timed && line.time_ms == 1795406400000);
  CHECK(parse("humidity=50", &line) == NULL);
  CHECK(!line.timed);
  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK(parse(bad[i], &line) != NULL);
}

void program_tests(void) {
  if (mkdtemp(directory) == NULL) return;
  port = broker_start();
  CHECK(port > 0);
  run("lines of readings are understood", lines_of_readings_are_understood);
  run("bad usage is refused", bad_usage_is_refused);
  run("a file goes through whole and is in the ledger", a_file_goes_through_whole_and_is_in_the_ledger);
  run("a file goes through by TLS, and a broker that nobody vouches for gets nothing", a_file_goes_through_by_tls_and_a_broker_that_nobody_vouches_for_gets_nothing);
  run("a file goes through as JSON, one sample a message", a_file_goes_through_as_json_one_sample_a_message);
  run("a network that is silent for a second loses no JSON", a_silent_network_loses_no_json);
  run("JSON that finds its queue full is counted", json_that_finds_its_queue_full_is_counted);
  run("a line that cannot be taken shows in the exit status", a_line_that_cannot_be_taken_shows_in_the_exit_status);
  run("a file without lines is an error", a_file_without_lines_is_an_error);
  run("a network that is silent for two seconds loses nothing", a_silent_network_loses_nothing);
  run("a fleet that is interrupted seals and drains", a_fleet_that_is_interrupted_seals_and_drains);
  run("a device keeps its readings until the broker is there", a_device_keeps_its_readings_until_the_broker_is_there);
  run("a device without a broker says at once that it waits, and why", a_device_says_at_once_why_it_waits);
  run("a device that had nothing to send does not say that all was acknowledged", a_device_that_had_nothing_to_send_does_not_say_acknowledged);
  run("a device says what the broker has against a frame", a_device_says_what_the_broker_has_against_a_frame);
  run("two devices do not write one store", two_devices_do_not_write_one_store);
  run("the program that docs/firmware.md prints sends a frame for thirty readings", the_printed_example_sends_a_frame_for_thirty_readings);
  broker_stop();
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", directory);
  CHECK_EQUAL(system(command), 0);
}
