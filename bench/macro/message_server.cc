// SPDX-License-Identifier: MIT
// A message-passing server in plain C++: requests are parsed in one thread, answered in another, and freed in a third.
// After the staged servers of M. Welsh, D. Culler and E. Brewer, "SEDA: An Architecture for Well-Conditioned, Scalable Internet
// Services", SOSP 2001.
//
// A front thread builds requests (strings, a vector of headers), workers take them from a bounded queue, build a reply and delete
// the request, a back thread checks and deletes the reply. Standard containers throughout: new and sized delete.
// Built once more with BENCH_PAUSES as message_pauses: how long allocations take.
// Arguments: scale, threads (workers; 2).
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench.h"
#if BENCH_PAUSES
#include "pauses.h"
#endif

namespace {

struct Request {
  size_t number = 0;
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<char> body;
};
struct Reply {
  size_t bytes = 0;
  std::string status;
  std::vector<std::string> lines;
};

// Carries batches: a switch of threads per message would hide everything else.
template <class T>
class Queue {
 public:
  using Batch = std::vector<std::unique_ptr<T>>;
  void Push(Batch batch) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return batches_.size() < kDepth; });
    batches_.push_back(std::move(batch));
    changed_.notify_all();
  }
  // False once the queue is closed and empty.
  bool Pop(Batch* batch) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !batches_.empty(); });
    if (batches_.empty()) return false;
    *batch = std::move(batches_.front());
    batches_.pop_front();
    changed_.notify_all();
    return true;
  }
  void Close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  static constexpr size_t kDepth = 16;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> batches_;
  bool closed_ = false;
};

constexpr size_t kBatch = 64;

std::unique_ptr<Request> Parse(size_t number, bench::Random& random) {
  auto request = std::make_unique<Request>();
  request->number = number;
  request->path = "/items/" + std::to_string(number % 1000) + "/parts/" + std::string(random.Between(1, 40), 'p');
  for (size_t i = 0, n = random.Between(2, 8); i < n; ++i) {
    request->headers.emplace_back("x-header-number-" + std::to_string(i), std::string(random.Between(4, 120), 'v'));
  }
  request->body.resize(random.Below(16) == 0 ? random.Between(1024, 16384) : random.Between(16, 1024), 'b');
  return request;
}

std::unique_ptr<Reply> Answer(const Request& request) {
  auto reply = std::make_unique<Reply>();
  reply->status = request.number % 10 == 0 ? "404 there is no such item on this server" : "200 ok";
  for (const auto& [name, value] : request.headers) reply->lines.push_back(name + ": " + value);
  reply->lines.push_back(std::string(request.body.begin(), request.body.end()));
  for (const auto& line : reply->lines) reply->bytes += line.size();
  return reply;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const size_t workers = arguments.Count("threads", 2), batches = arguments.Scaled(2400);
  arguments.Done();

  Queue<Request> requests;
  Queue<Reply> replies;
  std::thread front([&] {
    bench::Random random(1);
    for (size_t i = 0; i < batches; ++i) {
      Queue<Request>::Batch batch;
      for (size_t k = 0; k < kBatch; ++k) batch.push_back(Parse(i * kBatch + k, random));
      requests.Push(std::move(batch));
    }
    requests.Close();
  });
  std::vector<std::thread> pool;
  for (size_t i = 0; i < workers; ++i) {
    pool.emplace_back([&] {
      for (Queue<Request>::Batch batch; requests.Pop(&batch);) {
        Queue<Reply>::Batch answers;
        for (const auto& request : batch) answers.push_back(Answer(*request));
        replies.Push(std::move(answers));
      }
    });
  }
  uint64_t sum = 0;
  std::thread back([&] {
    for (Queue<Reply>::Batch batch; replies.Pop(&batch);) {
      for (const auto& reply : batch) sum += reply->bytes + reply->status.size();
    }
  });
  front.join();
  for (auto& worker : pool) worker.join();
  replies.Close();
  back.join();
#if BENCH_PAUSES
  bench::ReportPauses();
#endif
  bench::Checksum(sum);
}
