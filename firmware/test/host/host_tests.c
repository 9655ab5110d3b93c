/* Tests of what runs on a host only. */
#include "check.h"
#include "suites.h"

int main(void) {
  fleet_tests();
  network_cut_tests();
  session_tests();
  program_tests();
  return finish();
}
