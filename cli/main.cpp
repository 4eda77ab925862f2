#include "cli/commands.h"

int main(int argc, char** argv) { return gradproof::run_command_line(argc, argv); }
