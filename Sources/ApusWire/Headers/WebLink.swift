/// A link of a Link field (RFC 8288): `<https://example.com/page/2>; rel="next"`.
public struct WebLink: Sendable, Hashable {
    /// More links than this are not read from one response: each is resolved against the response's URI.
    public static let maximumCount = 1_000

    /// Where it leads, resolved against the URI of what it came with.
    public let target: URI
    /// What the target is to the context, such as `next`: in lower case if registered names, as written if URIs.
    public let relations: [String]
    /// What it leads from: the URI of what it came with unless the link says otherwise (`anchor`).
    public let context: URI
    /// A title for people; nil if there is none.
    public let title: String?
    /// All parameters, names in lower case, in their order.
    public let parameters: [MediaType.Parameter]

    /// Whether it has this relation, compared regardless of case.
    public func has(relation: String) -> Bool {
        let wanted = HeaderScanner.lowercased(relation)
        return relations.contains { HeaderScanner.lowercased($0) == wanted }
    }

    // RFC 8288 §3: Link = #link-value; link-value = "<" URI-Reference ">" *( OWS ";" OWS [ link-param ] ). Appendix B.2
    // gives the algorithm, which passes over what it cannot read.
    /// The links of all Link fields of a message.
    ///
    /// - Parameters:
    ///   - values: the values of its Link fields.
    ///   - base: the URI that references are resolved against: that of the response.
    /// - Returns: those that could be read, at most `maximumCount`. A target that is no URI is left out with its link.
    public static func parse(_ values: [String], base: URI) -> [WebLink] {
        var links: [WebLink] = []
        // Those that cannot be read count too: it is resolving that takes time.
        var count = 0
        for value in values {
            var scanner = HeaderScanner(value)
            while !scanner.isAtEnd, count < maximumCount {
                scanner.skipSpace()
                guard scanner.take(0x3C) else {
                    scanner.skipTo { $0 == 0x2C }
                    _ = scanner.take(0x2C)
                    continue
                }
                let reference = scanner.takeUntil { $0 == 0x3E }
                guard scanner.take(0x3E) else { break }
                let parameters = scanner.takeParameters(endsAtComma: true, bareNames: true)
                _ = scanner.take(0x2C)
                count += 1
                let text = String(decoding: reference, as: UTF8.self)
                if let link = WebLink(text, parameters, base) { links.append(link) }
            }
        }
        return links
    }

    private init?(_ reference: String, _ parameters: [(name: String, value: String)], _ base: URI) {
        guard let target = try? base.resolve(reference) else { return nil }
        var context = base
        if let anchor = parameters.first(where: { $0.name == "anchor" })?.value {
            // §3.2: a link whose context is not understood must be ignored.
            guard let resolved = try? base.resolve(anchor) else { return nil }
            context = resolved
        }
        self.target = target
        self.context = context
        // §3.3: the first rel counts; its value is a list with spaces.
        let rel = parameters.first { $0.name == "rel" }?.value ?? ""
        relations = rel.utf8.split { $0 == 0x20 || $0 == 0x09 }.map { word in
            let text = String(decoding: Array(word), as: UTF8.self)
            return text.utf8.contains(0x3A) ? text : HeaderScanner.lowercased(text)
        }
        // §3.4.1: title* is preferred.
        let extended = parameters.first { $0.name == "title*" }.flatMap { ExtendedValue.decode($0.value) }
        title = extended ?? parameters.first { $0.name == "title" }?.value
        self.parameters = parameters.map { MediaType.Parameter(name: $0.name, value: $0.value) }
    }
}
