#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "build_info.h"
#include "campaign/isolate.h"
#include "campaign/usage_error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "report/atomic_file.h"
#include "script/near.h"

namespace gradproof {
namespace {

constexpr const char* exit_codes =
    "Exit codes: 0 all decided cases pass, and there are some; 1 a failure, crash or timeout; 2 bad usage or\n"
    "input; 3 nothing decided; 4 an internal error; 130 interrupted.";

constexpr const char* main_examples =
    "Examples:\n"
    "  gradproof check libtorch --time 60s\n"
    "  gradproof check libtorch --operators 'sin,cos,*softmax' --properties vjp,jvp --seed 0x7c41\n"
    "  gradproof fuzz libtorch --time 10m\n"
    "  gradproof run fixtures --engine libtorch@1.13.1\n"
    "  gradproof run out/tanh-vjp-f32.tape --engine mutant:tanh-factor\n"
    "  gradproof engines\n";

constexpr const char* check_examples =
    "Examples:\n"
    "  gradproof check libtorch                                  100 cases for each operator and property\n"
    "  gradproof check libtorch --time 5m --json r.json --junit r.xml\n"
    "  gradproof check reference --operators 'log*' --properties vjp --dtype f64 --cases 1000 --seed 1\n"
    "  gradproof check module:./my_engine.so --fail-on wrong,misbehaving,inaccurate\n";

constexpr const char* fuzz_examples =
    "Examples:\n"
    "  gradproof fuzz libtorch --time 10m                        as long as you like\n"
    "  gradproof fuzz libtorch --operators '*softmax' --time 5m  programs around some operators\n"
    "  gradproof fuzz reference --cases 20 --seed 1 --resume fuzz.journal\n";

constexpr const char* run_examples =
    "Examples:\n"
    "  gradproof run fixtures                                    every *.tape below, on the reference\n"
    "  gradproof run fixtures --engine libtorch\n"
    "  gradproof run out/tanh-vjp-f32.tape --engine libtorch@2.11.0\n";

constexpr const char* reproduce_examples =
    "Examples:\n"
    "  gradproof reproduce out/tanh-vjp-f32.tape --as cpp > tanh.cpp\n"
    "  gradproof reproduce fixtures/examples/2-scalars.tape --as python | python3\n";

constexpr const char* mutants_examples =
    "Examples:\n"
    "  gradproof mutants\n"
    "  gradproof mutants --properties vjp,jvp --cases 20 --seed 1\n"
    "  gradproof mutants --rules 'vjp-*' --operators tanh --seed 1\n"
    "  gradproof mutants --derived --jobs 2 --seed 1 --json kills.json\n";

void add_derived(CLI::App& app, Options& options) {
  app.add_flag("--derived", options.derived,
               "The mutants that rules derive from the records, rather than those by hand");
  app.add_option("--rules", options.rules, "The same, only of rules that match one of these globs: 'vjp-*'")
      ->type_name("GLOB");
  app.add_option("--sample", options.sample, "Only so many of the derived ones, spread over rules and operators")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_flag("--list", options.list, "Only name the derived ones");
  app.add_option("--json", options.json, "Write what was found of the derived ones to this file")->type_name("FILE");
}

void add_selection(CLI::App& app, Options& options) {
  app.add_option("--operators", options.operators, "Only operators that match one of these globs: 'sin,log*'")
      ->type_name("GLOB");
  app.add_option("--properties", options.properties, "Only properties that match one of these globs")
      ->type_name("GLOB");
}

void add_isolation(CLI::App& app, Options& options) {
  app.add_option("--isolate", options.isolate,
                 "batch: many cases in a process of their own; case: one in each; off: all in this process, for a "
                 "debugger")
      ->type_name("MODE")
      ->capture_default_str();
  app.add_option("--memory", options.memory, "Limit of such a process, beyond the engine's own: 512M, 4G; 0: none")
      ->type_name("SIZE")
      ->capture_default_str();
}

void add_run(CLI::App& app, Options& options) {
  app.add_option("--dtype", options.dtypes, "These dtypes: f16, bf16, f32, f64; unasked f32,f64")->type_name("DTYPE");
  app.add_option("--cases", options.cases,
                 "Cases for each operator and property (100 if neither this nor --time is given)")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_option("--time", options.time, "Stop after this time: 60s, 5m")->type_name("T");
  app.add_option("--seed", options.seed, "Seed of the cases, decimal or 0x…; random if not given, printed first")
      ->type_name("S");
  app.add_option("--timeout", options.timeout, "Limit for one case")->type_name("T")->capture_default_str();
  app.add_option("--jobs", options.jobs, "Workers at a time")
      ->type_name("N")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  add_isolation(app, options);
}

void add_load(CLI::App& app, Options& options) {
  app.add_option("--load", options.libraries, "A library to load into the engine first: operators of your own")
      ->type_name("LIB");
}

void add_check(CLI::App& app, Options& options) {
  app.add_option("engine", options.engine, "reference, libtorch, libtorch@VERSION, mutant:NAME, module:FILE.so")
      ->type_name("ENGINE")
      ->required();
  add_selection(app, options);
  add_run(app, options);
  app.add_option("--device", options.device, "cpu or cuda")->type_name("DEVICE")->capture_default_str();
  app.add_option("--json", options.json, "Write everything found to this file")->type_name("FILE");
  app.add_option("--junit", options.junit, "Write a JUnit report to this file")->type_name("FILE");
  app.add_option("--waivers", options.waivers, "Failures that are accepted, besides the engine's shipped ones")
      ->type_name("FILE");
  app.add_flag("!--no-shipped-waivers", options.shipped_waivers,
               "Do not accept what the engine's shipped waivers accept");
  app.add_option("--fail-on", options.fail_on,
                 "Which failures make the exit code 1: wrong, misbehaving, inaccurate, none")
      ->type_name("KINDS")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--out", options.out, "Folder for the scripts of failures (default: out)")->type_name("DIR");
  app.add_option("--resume", options.resume,
                 "Keep every verdict in this file, and go on from those it holds: a run that was killed, say")
      ->type_name("FILE");
  add_load(app, options);
}

void add_scripts(CLI::App& app, Options& options) {
  options.engine = "reference";
  app.add_option("files", options.files, "Scripts, or folders of *.tape")->type_name("FILE|DIR")->required();
  app.add_option("--engine", options.engine, "The engine that runs them")->type_name("ENGINE")->capture_default_str();
  app.add_option("--device", options.device, "cpu or cuda")->type_name("DEVICE")->capture_default_str();
  app.add_option("--timeout", options.timeout, "Limit for one script")->type_name("T")->capture_default_str();
  add_isolation(app, options);
  add_load(app, options);
}

void add_reproduce(CLI::App& app, Options& options) {
  options.engine = "reference";
  app.add_option("file", options.files, "A script")->type_name("FILE")->required()->expected(1);
  app.add_option("--as", options.language, "cpp: LibTorch's C++; python: PyTorch's Python")
      ->type_name("LANGUAGE")
      ->required()
      ->check(CLI::IsMember({"cpp", "python"}));
  app.add_option("--engine", options.engine, "Whose operators it may call and whose policies decide what is expected")
      ->type_name("ENGINE")
      ->capture_default_str();
  add_load(app, options);
}

struct Command {
  const char* name;
  const char* description;
  const char* footer;
  void (*add)(CLI::App&, Options&);
  int (*run)(const Options&);
};

const Command commands[] = {
    {"check", "All applicable properties over all operators of an engine", check_examples, add_check, run_check},
    {"fuzz", "Random programs and life cycles, until a time or a count: check of 'program' and 'lifecycle*'",
     fuzz_examples, add_check, run_fuzz},
    {"run", "Scripts with expectations, recorded or found", run_examples, add_scripts, run_scripts},
    {"reproduce", "A script as a program of its own for a bug report", reproduce_examples, add_reproduce,
     print_program},
    {"engines", "The engines that can be checked", "Example:\n  gradproof engines --json\n",
     [](CLI::App& app, Options& options) { app.add_flag("--json", options.as_json, "As JSON"); }, list_engines},
    {"operators", "The operators that the reference knows",
     "Examples:\n  gradproof operators 'log*'\n  gradproof operators --json\n",
     [](CLI::App& app, Options& options) {
       app.add_option("operators", options.operators, "Only those that match one of these globs")->type_name("GLOB");
       app.add_flag("--json", options.as_json, "As JSON");
     },
     list_operators},
    {"properties", "What is checked of each operator", "Example:\n  gradproof properties\n",
     [](CLI::App& app, Options& options) {
       app.add_option("properties", options.properties, "Only those that match one of these globs")->type_name("GLOB");
     },
     list_properties},
    {"mutants", "Which properties catch which seeded fault", mutants_examples,
     [](CLI::App& app, Options& options) {
       add_selection(app, options);
       add_run(app, options);
       add_derived(app, options);
     },
     run_mutants},
};

// A file opened later must not become this process's stdout.
void hold_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) {
      const int opened = ::open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
      if (opened >= 0 && opened != fd) {
        dup2(opened, fd);
        ::close(opened);
      }
    }
  }
}

int told(const char* kind, const char* text, int code) {
  std::fflush(stdout);
  std::fprintf(stderr, "gradproof: %s%s\n", kind, text);
  return code;
}

std::string unknown_word(const CLI::App& app, int argc, const char* const* argv) {
  if (argc < 2 || argv[1][0] == '-' || !app.get_subcommands().empty()) return {};
  NearWords near(argv[1]);
  for (const Command& command : commands) near.offer(command.name);
  return "no command '" + std::string(argv[1]) + "'" + near_text(near.best()) + "; gradproof --help lists them";
}

int run_parsed(int argc, const char* const* argv) {
  CLI::App app{
      "gradproof decides whether an autograd engine is right, and shows the smallest program that proves it is not."};
  app.set_version_flag("--version", std::string("gradproof ") + build_info::version + " (" + build_info::commit + ")");
  app.footer(std::string(main_examples) + exit_codes);
  app.require_subcommand(1);
  std::vector<Options> options(std::size(commands));
  std::vector<CLI::App*> apps;
  for (std::size_t i = 0; i < std::size(commands); ++i) {
    apps.push_back(app.add_subcommand(commands[i].name, commands[i].description));
    commands[i].add(*apps[i], options[i]);
    apps[i]->footer(std::string(commands[i].footer) + exit_codes);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const std::string word = unknown_word(app, argc, argv);
    return told("", word.empty() ? error.what() : word.c_str(), exit_usage);
  }
  for (std::size_t i = 0; i < std::size(commands); ++i) {
    if (apps[i]->parsed()) return commands[i].run(options[i]);
  }
  return exit_usage;
}

}  // namespace

EnginePlaces places_of(const Options& options) {
  EnginePlaces places = EnginePlaces::standard();
  for (const std::string& library : options.libraries) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(library, error)) throw UsageError("--load '" + library + "': no such file");
    places.libraries.push_back(std::filesystem::absolute(library).string());
  }
  return places;
}

int run_command_line(int argc, const char* const* argv) {
  try {
    hold_standard_streams();
    watch_interrupts();
    const int code = run_parsed(argc, argv);
    std::fflush(stdout);
    return code;
  } catch (const UsageError& error) {
    return told("", error.what(), exit_usage);
  } catch (const WriteError& error) {
    return told("", error.what(), exit_internal);
  } catch (const StartError& error) {
    return told("a worker did not start: ", error.what(), exit_internal);
  } catch (const std::exception& error) {
    return told("internal error: ", error.what(), exit_internal);
  }
}

}  // namespace gradproof
