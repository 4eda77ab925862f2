// The CUDA streams of a run. Through LibTorch's device-neutral interface: nothing of CUDA's is seen here.
#pragma once

#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdint>
#include <map>

#include "adapters/libtorch/cuda.h"

namespace gradproof::libtorch {

// Which stream the steps of a run are given to. A stream that is chosen first waits for all that was given to the one
// before, as a careful user's would: what is then out of order is the engine's.
class StreamSelector {
 public:
  // 0: the default one. Nothing happens where there is no CUDA.
  void select(std::int64_t number) {
    if (!Cuda::instance().present()) return;
    const c10::impl::VirtualGuardImpl device(c10::DeviceType::CUDA);
    const c10::Stream before = device.getStream(device.getDevice());
    const c10::Stream chosen = stream(device, number);
    if (before == chosen) return;
    c10::Event reached(c10::DeviceType::CUDA);
    reached.record(before);
    reached.block(chosen);
    device.exchangeStream(chosen);
    used_ = true;
  }

  // Until all streams of the run are done. Before something is given back: an allocator counts on the stream it was
  // made on alone.
  void wait() const {
    if (!used_) return;
    const c10::impl::VirtualGuardImpl device(c10::DeviceType::CUDA);
    for (const auto& [number, stream] : streams_) device.synchronizeStream(stream);
  }

  // The same at the end of a run; the default stream again.
  void finish() {
    if (!used_) return;
    select(0);
    wait();
    used_ = false;
  }

 private:
  c10::Stream stream(const c10::impl::VirtualGuardImpl& device, std::int64_t number) {
    const auto known = streams_.find(number);
    if (known != streams_.end()) return known->second;
    const c10::Device here = device.getDevice();
    const c10::Stream made = number == 0 ? device.getDefaultStream(here) : device.getStreamFromGlobalPool(here);
    streams_.emplace(number, made);
    return made;
  }

  std::map<std::int64_t, c10::Stream> streams_;
  bool used_ = false;
};

}  // namespace gradproof::libtorch
