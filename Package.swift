// swift-tools-version: 6.2
import PackageDescription

#if os(macOS)
#error("Apus runs on Linux for now (its selector is epoll). On a Mac use a container: see the `docker run` line in README.md.")
#endif

let package = Package(
    name: "apus",
    dependencies: [
        // No traits: the default one links FoundationEssentials, which the runtime and the wire layer do without.
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        .target(name: "CApus"),
        .target(name: "ApusWire", dependencies: [.product(name: "HTTPTypes", package: "swift-http-types")]),
        .target(
            name: "ApusRuntime",
            dependencies: [
                "CApus",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            // The main queue's two entry points (MainQueue.swift) live in libdispatch, which Swift links anyway.
            linkerSettings: [.linkedLibrary("dispatch")]
        ),
        .target(name: "ApusNet", dependencies: ["ApusRuntime", "CApus"]),
    ]
)

for target in package.targets where target.type != .system && target.name != "CApus" {
    var settings = target.swiftSettings ?? []
    settings += [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ]
    target.swiftSettings = settings
}
