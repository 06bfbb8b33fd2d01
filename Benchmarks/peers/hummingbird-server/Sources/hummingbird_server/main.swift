// hummingbird_server PORT: plain text at /, JSON at /json, on one event loop thread. Where SwiftNIO can, the event loop is Swift's global
// executor as well, so that no request hops to a pool of threads and back: the faster of Hummingbird's two ways to run. The first line of
// its output says which it is.
import Foundation
import Hummingbird
import Logging
import NIOCore
import NIOPosix

struct Message: ResponseEncodable {
    let message: String
}

guard CommandLine.arguments.count == 2, let port = Int(CommandLine.arguments[1]) else {
    print("usage: hummingbird_server PORT")
    exit(2)
}
NIOSingletons.groupLoopCountSuggestion = 1
let isGlobalExecutor = NIOSingletons.unsafeTryInstallSingletonPosixEventLoopGroupAsConcurrencyGlobalExecutor()
print(isGlobalExecutor ? "its event loop is the global executor" : "handlers on the global pool")
fflush(nil)

let router = Router()
router.get("/") { _, _ in "Hello, World!" }
router.get("/json") { _, _ in Message(message: "Hello, World!") }

var logger = Logger(label: "hummingbird_server")
logger.logLevel = .error
let application = Application(
    responder: router.buildResponder(),
    configuration: .init(address: .hostname("127.0.0.1", port: port), backlog: 8192),
    eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton),
    logger: logger
)
try await application.runService()
