// swift-tools-version: 6.2
import PackageDescription

#if os(macOS)
#error(
    "Apus runs on Linux for now (its selector is epoll). On a Mac use a container: see the `docker run` line in README.md."
)
#endif

/// The examples of the README, one short program each. `APUS_EXAMPLES=main-actor` compiles them as modules whose default isolation is
/// the main actor, as new projects often have it: CI runs them both ways.
let exampleSettings: [SwiftSetting] =
    Context.environment["APUS_EXAMPLES"] == "main-actor" ? [.defaultIsolation(MainActor.self)] : []
let exampleDependencies: [String: [Target.Dependency]] = [
    // For certificates, made on the spot.
    "StartTLS": ["Apus", "ApusTesting"],
    "RunSubprocess": ["Apus", .subprocess],
]
let examples: [Target] =
    [.target(name: "ExampleServer", dependencies: ["Apus"], path: "Examples/ExampleServer")]
    + [
        "SayAfter", "FetchOnePage", "FetchManyPages", "RunInExecutor",
        "BlockingCallDetected", "CPUBoundPool", "SharedStateOnMainActor", "CancelAndTimeout",
        "EchoServer", "ChatServer", "PortForwarder", "StartTLS",
        "UDPResponder", "StandardInput", "CAresResolver", "RunSubprocess", "WholeProcess", "OneRequest",
    ].map {
        .executableTarget(
            name: $0,
            dependencies: exampleDependencies[$0] ?? ["Apus", "ExampleServer"],
            path: "Examples/\($0)",
            swiftSettings: exampleSettings
        )
    }

/// The same user programs, compiled as four kinds of module see the library: `Tests/UserCode/README.md`.
let userCodeModes: [(name: String, settings: [SwiftSetting])] = [
    ("Swift6", []),
    ("Nonsending", [.enableUpcomingFeature("NonisolatedNonsendingByDefault")]),
    (
        "Upcoming",
        [
            "ExistentialAny", "InferIsolatedConformances", "ImmutableWeakCaptures", "InternalImportsByDefault",
            "MemberImportVisibility", "NonisolatedNonsendingByDefault",
        ].map { .enableUpcomingFeature($0) }
    ),
    ("MainActor", [.defaultIsolation(MainActor.self)]),
]
let userCode: [Target] = userCodeModes.map {
    .executableTarget(
        name: "UserCode\($0.name)",
        dependencies: ["Apus"],
        path: "Tests/UserCode/\($0.name)",
        swiftSettings: $0.settings
    )
}

/// Whole-process mode is built of what Swift 6.3 has as SPI, and is among the default traits where that is there.
#if compiler(>=6.3) && compiler(<6.4)
let defaultTraits: Set<String> = ["TLS", "WholeProcess"]
#else
let defaultTraits: Set<String> = ["TLS"]
#endif

let package = Package(
    name: "apus",
    products: [
        .library(name: "Apus", targets: ["Apus"]),
        .library(name: "ApusWire", targets: ["ApusWire"]),
        .library(name: "ApusRuntime", targets: ["ApusRuntime"]),
        .library(name: "ApusNet", targets: ["ApusNet"]),
        .library(name: "ApusHTTPClient", targets: ["ApusHTTPClient"]),
        .library(name: "ApusHTTPServer", targets: ["ApusHTTPServer"]),
        .library(name: "ApusTesting", targets: ["ApusTesting"]),
        .executable(name: "apus", targets: ["ApusCLI"]),
    ],
    traits: [
        .default(enabledTraits: defaultTraits),
        .trait(
            name: "TLS",
            description: "TLS by the system's OpenSSL 3 (libssl-dev). Without it, https is an error that says so."
        ),
        .trait(
            name: "WholeProcess",
            description:
                "`EventLoop.run(.wholeProcess)`, by SPI of Swift 6.3. Nothing changes for programs that do not call it."
        ),
    ],
    dependencies: [
        // No traits: the default one links FoundationEssentials, which the runtime and the wire layer do without.
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // Neighbours, for tests only: NeighbourTests import them beside Apus. Who depends on Apus does not get them.
        .package(url: "https://github.com/apple/swift-async-algorithms", from: "1.1.4"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        // For an example too. Without its trait, which is Foundation.
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    ],
    targets: [
        .target(
            name: "CApus",
            cSettings: [.define("APUS_WHOLE_PROCESS", .when(traits: ["WholeProcess"]))]
        ),

        // Pure: no concurrency, no clock, no system call, no Foundation.
        .target(name: "ApusWire", dependencies: [.httpTypes]),

        // Runtime.
        .target(
            name: "ApusRuntime",
            dependencies: ["CApus", .dequeModule, .heapModule, .logging, .metrics],
            // The main queue's two entry points (MainQueue.swift) live in libdispatch, which Swift links anyway.
            linkerSettings: [.linkedLibrary("dispatch")]
        ),
        .target(
            name: "ApusNet",
            dependencies: [
                "ApusRuntime", "CApus", .logging, .openSSL,
            ]
        ),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),

        // Features.
        .target(
            name: "ApusHTTPClient",
            dependencies: [
                "ApusNet", "ApusRuntime", "ApusWire", "CZlib", .dequeModule, .heapModule, .httpTypes, .logging,
                .metrics, .tracing,
            ]
        ),
        .target(
            name: "ApusHTTPServer",
            dependencies: ["ApusNet", "ApusRuntime", "ApusWire", .httpTypes, .logging]
        ),
        .target(
            name: "ApusTesting",
            dependencies: [
                "ApusHTTPClient", "ApusHTTPServer", "ApusNet", "ApusRuntime", "ApusWire", .httpTypes, .logging,
                .openSSL,
            ]
        ),
        .target(
            name: "Apus",
            dependencies: ["ApusHTTPClient", "ApusHTTPServer", "ApusNet", "ApusRuntime", "ApusWire", .httpTypes]
        ),
        .executableTarget(
            name: "ApusCLI",
            dependencies: ["Apus", .argumentParser, .dequeModule, .heapModule, .httpTypes, .logging, .openSSL]
        ),

        // Tests.
        .testTarget(name: "ApusWireTests", dependencies: ["ApusWire", .httpTypes]),
        .testTarget(
            name: "ApusRuntimeTests",
            dependencies: ["ApusRuntime", "ApusTesting", "CApus", .logging, .metrics]
        ),
        .testTarget(
            name: "ApusNetTests",
            dependencies: ["ApusNet", "ApusRuntime", "ApusTesting", .logging, .openSSL]
        ),
        .testTarget(
            name: "ApusHTTPClientTests",
            dependencies: [
                "ApusHTTPClient", "ApusHTTPServer", "ApusNet", "ApusRuntime", "ApusTesting", "ApusWire", "CZlib",
                .httpTypes, .inMemoryTracing, .logging, .metrics, .tracing,
            ]
        ),
        .testTarget(
            name: "ApusHTTPServerTests",
            dependencies: [
                "ApusHTTPClient", "ApusHTTPServer", "ApusNet", "ApusRuntime", "ApusTesting", .httpTypes, .logging,
            ]
        ),
        .testTarget(name: "ApusCLITests", dependencies: ["ApusCLI", "Apus", "ApusTesting", .httpTypes]),
        .testTarget(
            name: "NeighbourTests",
            dependencies: ["Apus", "ApusTesting", .asyncAlgorithms, .nioCore, .subprocess, .tracing]
        ),
        .testTarget(name: "ArchitectureTests"),
        // The thread and hop rules, in a release build: `./run test` runs it.
        .executableTarget(
            name: "apus-hop-check",
            dependencies: ["Apus", "ApusRuntime", "ApusTesting", "CApus"],
            path: "Tests/HopCheck"
        ),
        // The client against real servers, compared with curl: `./run interop` runs it.
        .executableTarget(
            name: "apus-interop-client",
            dependencies: ["Apus", .subprocess],
            path: "Tests/InteropClient"
        ),
    ] + userCode + examples
)

extension Target.Dependency {
    static let httpTypes = product(name: "HTTPTypes", package: "swift-http-types")
    static let dequeModule = product(name: "DequeModule", package: "swift-collections")
    static let heapModule = product(name: "HeapModule", package: "swift-collections")
    static let logging = product(name: "Logging", package: "swift-log")
    static let metrics = product(name: "CoreMetrics", package: "swift-metrics")
    static let openSSL = target(name: "COpenSSL", condition: .when(traits: ["TLS"]))
    static let asyncAlgorithms = product(name: "AsyncAlgorithms", package: "swift-async-algorithms")
    static let nioCore = product(name: "NIOCore", package: "swift-nio")
    static let subprocess = product(name: "Subprocess", package: "swift-subprocess")
    static let inMemoryTracing = product(name: "InMemoryTracing", package: "swift-distributed-tracing")
    static let tracing = product(name: "Tracing", package: "swift-distributed-tracing")
    static let argumentParser = product(name: "ArgumentParser", package: "swift-argument-parser")
}

// One set of settings for all targets; user code is compiled as its authors would compile it.
for target in package.targets where target.name != "CApus" && target.type != .system {
    var settings: [SwiftSetting] = target.swiftSettings ?? []
    settings.append(.swiftLanguageMode(.v6))
    if !target.name.hasPrefix("UserCode") {
        settings += [
            "ExistentialAny", "MemberImportVisibility", "InternalImportsByDefault", "NonisolatedNonsendingByDefault",
        ]
        .map { .enableUpcomingFeature($0) }
    }
    // CI turns warnings into errors; a user's build must not fail for a warning of a newer compiler.
    if Context.environment["APUS_STRICT"] == "1" { settings.append(.treatAllWarnings(as: .error)) }
    target.swiftSettings = settings
}
