import ApusWire
import HTTPTypes

extension RequestBody {
    /// The fields of a form, as `application/x-www-form-urlencoded`.
    public static func form(_ fields: KeyValuePairs<String, String>) -> RequestBody {
        .text(URLEncodedForm.encode(fields.map { ($0.key, $0.value) }), contentType: URLEncodedForm.contentType)
    }

    /// A body of several parts.
    public static func multipart(_ multipart: Multipart) -> RequestBody {
        RequestBody(
            content: .multipart(multipart),
            contentType: MultipartPlan(boundary: multipart.boundary).contentType(subtype: multipart.subtype)
        )
    }
}
