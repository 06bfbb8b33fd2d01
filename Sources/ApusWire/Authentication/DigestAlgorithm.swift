/// How a digest is computed (RFC 7616 §3.3), with the two names that only practice knows: `SHA` and `SHA-512`.
package struct DigestAlgorithm: Sendable, Hashable {
    /// From the weakest to the strongest.
    package enum Hash: Int, Sendable, Hashable, Comparable, CaseIterable {
        case md5, sha1, sha256, sha512Truncated256, sha512

        package static func < (left: Hash, right: Hash) -> Bool { left.rawValue < right.rawValue }

        /// As in a challenge.
        package var name: String {
            switch self {
            case .md5: "MD5"
            case .sha1: "SHA"
            case .sha256: "SHA-256"
            case .sha512Truncated256: "SHA-512-256"
            case .sha512: "SHA-512"
            }
        }
    }

    package var hash: Hash
    /// Whether the secret's part is computed with nonce and client nonce.
    package var isSession: Bool

    package init(_ hash: Hash, isSession: Bool = false) {
        self.hash = hash
        self.isSession = isSession
    }

    /// The algorithm of this name, in whatever case; nil if it is unknown.
    package init?(name: String) {
        var name = HeaderScanner.lowercased(name)
        isSession = name.hasSuffix("-sess")
        if isSession { name = String(name.dropLast(5)) }
        if name == "sha-1" { name = "sha" }
        guard let hash = Hash.allCases.first(where: { HeaderScanner.lowercased($0.name) == name }) else { return nil }
        self.hash = hash
    }
}

/// Computes a hash: what the pure layer is handed for its digests.
package typealias DigestFunction = (_ hash: DigestAlgorithm.Hash, _ bytes: [UInt8]) throws(AuthenticationError) ->
    [UInt8]
