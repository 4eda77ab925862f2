// The program that a life cycle amounts to: no memory is shared, nothing is written in place, every sweep is a
// function that returns its gradients, and their sums are additions like any other. What each reading of the life
// cycle must show is a value of this program, so that the enclosure oracle can judge it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "script/script.h"

namespace gradproof::lifecycle {

class Pure {
 public:
  // Shares the pools of the program told; a program that is not `kept` is only counted, not built.
  void start(const Script& of, bool kept);
  const Script& script() const { return script_; }
  Script& script() { return script_; }
  bool kept() const { return kept_; }

  ValueId tensor(std::uint32_t spec);  // of the life cycle's tensors
  ValueId zeros(std::span<const Index> shape, gp_dtype dtype);
  // `args` are those of the life cycle's step, with the values replaced by `now`.
  template <class Now>
  ValueId call(std::uint32_t op, std::span<const gp_arg> args, std::uint32_t results, bool recording, Now now) {
    if (!kept_) return count(results);
    list_.assign(args.begin(), args.end());
    for (gp_arg& arg : list_) {
      if (arg.kind == GP_ARG_VALUE) arg.u.index = now(static_cast<ValueId>(arg.u.index));
      if (arg.kind != GP_ARG_VALUES) continue;
      const std::uint64_t first = script_.ids.size();
      for (std::uint32_t i = 0; i < arg.count; ++i) {
        const ValueId id = script_.ids[arg.u.index + i];
        script_.ids.push_back(id == GP_NO_VALUE ? id : now(id));
      }
      arg.u.index = first;
    }
    record(recording);
    return script_.call(op, list_, results);
  }
  ValueId add(ValueId a, ValueId b, bool recording = true);
  ValueId scaled(ValueId a, double by, bool recording = true);
  ValueId detach(ValueId a);
  // A leaf of its own with these contents.
  ValueId leaf(ValueId contents);
  // The elements of `into` with some replaced by those of `by`: `from[i]` is i, or the number of an element of `by`
  // behind the elements of `into`.
  ValueId assembled(ValueId into, ValueId by, std::span<const Index> from, std::span<const Index> shape,
                    bool recording);
  // Gradients of roots, one for each of `wrt`; the graph is never let go.
  ValueId gradients(std::span<const ValueId> roots, std::span<const ValueId> seeds, std::span<const ValueId> wrt,
                    bool create_graph);
  void hook(ValueId at, double factor);
  ValueId dual(ValueId primal, ValueId tangent, bool recording);
  ValueId jvp(ValueId of);
  std::uint32_t read(ValueId value);

 private:
  void record(bool on);
  ValueId count(std::uint32_t results) {
    counted_ += results;
    return counted_ - results;
  }
  ValueId flat(ValueId a, bool recording);
  ValueId shaped(ValueId a, std::span<const Index> shape, bool recording);

  Script script_;
  std::vector<gp_arg> list_;
  ValueId counted_ = 0;
  bool kept_ = false;
  bool recording_ = true;
};

}  // namespace gradproof::lifecycle
