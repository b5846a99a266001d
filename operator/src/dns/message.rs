//! Questions as they come, and answers as they go: nothing here knows what a name means.

use hickory_resolver::proto::{
    ProtoError,
    op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode},
    rr::{DNSClass, Record, RecordType},
};

use super::metrics::Outcome;

/// Length of a header, without which there is nobody to answer to.
const HEADER: usize = 12;
/// The longest answer by UDP: one that no network between pods takes apart.
pub const LONGEST_DATAGRAM: usize = 1232;
/// The longest answer to those who do not say what they can take.
const CLASSIC_DATAGRAM: usize = 512;
/// The longest answer by TCP.
pub const LONGEST_STREAMED: usize = 16_384;
/// The longest question.
pub const LONGEST_QUESTION: usize = 1232;

/// Types that are answered. None of them moves zones, or many records for a short question.
const TYPES: [RecordType; 12] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::CNAME,
    RecordType::MX,
    RecordType::TXT,
    RecordType::SRV,
    RecordType::NS,
    RecordType::SOA,
    RecordType::PTR,
    RecordType::CAA,
    RecordType::HTTPS,
    RecordType::SVCB,
];

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In one packet.
    Udp,
    /// In a connection.
    Tcp,
}

/// A question that can be answered.
#[derive(Clone, Debug)]
pub struct Request {
    metadata: Metadata,
    /// What is asked.
    pub question: Query,
    edns: Option<Edns>,
}

/// What is not answered as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// No question at all; an answer could start a loop.
    Silence,
    /// A refusal.
    Refusal {
        /// Ready to be sent.
        answer: Vec<u8>,
        /// How it is counted.
        outcome: Outcome,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Its code.
    pub code: ResponseCode,
    /// Whether it is about names of our own.
    pub authoritative: bool,
    /// The records.
    pub answers: Vec<Record>,
    /// How long there are none.
    pub authorities: Vec<Record>,
}

impl Reply {
    /// An answer without records.
    pub fn empty(code: ResponseCode) -> Self {
        Self { code, authoritative: false, answers: Vec::new(), authorities: Vec::new() }
    }
}

/// Whether a type of records is answered.
pub fn is_answered(kind: RecordType) -> bool {
    TYPES.contains(&kind)
}

impl Request {
    /// Reads a question from anybody.
    pub fn read(bytes: &[u8]) -> Result<Self, Unread> {
        let Some([high, low, flags, ..]) = bytes.get(..HEADER) else { return Err(Unread::Silence) };
        // An answer that is answered would be answered for ever.
        if flags & 0x80 != 0 {
            return Err(Unread::Silence);
        }
        let id = u16::from_be_bytes([*high, *low]);
        let Ok(message) = Message::from_vec(bytes) else {
            return Err(malformed(id, ResponseCode::FormErr));
        };
        let metadata = message.metadata;
        if metadata.op_code != OpCode::Query {
            return Err(malformed(id, ResponseCode::NotImp));
        }
        let Ok([question]) = <[Query; 1]>::try_from(message.queries) else {
            return Err(malformed(id, ResponseCode::FormErr));
        };
        let request = Self { metadata, question, edns: message.edns };
        let refused = if request.edns.as_ref().is_some_and(|edns| edns.version() != 0) {
            Some(ResponseCode::BADVERS)
        } else if request.question.query_class != DNSClass::IN || !is_answered(request.question.query_type) {
            Some(ResponseCode::Refused)
        } else {
            None
        };
        match refused {
            Some(code) => Err(Unread::Refusal {
                answer: request.write(Reply::empty(code), Transport::Udp),
                outcome: Outcome::Refused,
            }),
            None => Ok(request),
        }
    }

    /// The answer as bytes; by UDP one that does not fit says so, and is asked for again by TCP.
    pub fn write(&self, reply: Reply, transport: Transport) -> Vec<u8> {
        let mut message = self.frame(reply.code);
        message.metadata.authoritative = reply.authoritative;
        message.add_answers(reply.answers);
        message.add_authorities(reply.authorities);
        let longest = match transport {
            Transport::Tcp => LONGEST_STREAMED,
            Transport::Udp => self.longest_datagram(),
        };
        let shorter = |message: &Message| match transport {
            Transport::Udp => message.truncate().to_vec(),
            Transport::Tcp => self.frame(ResponseCode::ServFail).to_vec(),
        };
        let fits = |bytes: &Vec<u8>| bytes.len() <= longest;
        let written =
            message.to_vec().ok().filter(fits).map_or_else(|| shorter(&message), Ok::<_, ProtoError>);
        // The question and the header were read a moment ago, so they can be written.
        written.ok().filter(fits).unwrap_or_else(|| bare(self.metadata.id, ResponseCode::ServFail))
    }

    fn frame(&self, code: ResponseCode) -> Message {
        let mut message = Message::new(self.metadata.id, MessageType::Response, OpCode::Query);
        message.metadata = Metadata::response_from_request(&self.metadata);
        message.metadata.recursion_available = true;
        message.metadata.response_code = code;
        message.add_query(self.question.clone());
        if self.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(u16::try_from(LONGEST_DATAGRAM).unwrap_or(u16::MAX));
            message.set_edns(edns);
        }
        message
    }

    fn longest_datagram(&self) -> usize {
        let offered = self.edns.as_ref().map_or(CLASSIC_DATAGRAM, |edns| usize::from(edns.max_payload()));
        offered.clamp(CLASSIC_DATAGRAM, LONGEST_DATAGRAM)
    }
}

fn malformed(id: u16, code: ResponseCode) -> Unread {
    Unread::Refusal { answer: bare(id, code), outcome: Outcome::Malformed }
}

/// A header alone, for questions that could not be read: an answer with this code.
fn bare(id: u16, code: ResponseCode) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![high, low, 0x80, code.low(), 0, 0, 0, 0, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::{Name, RData, rdata::TXT};
    use proptest::prelude::*;

    use super::*;

    fn asked(name: &str, kind: RecordType) -> Message {
        let mut message = Message::query();
        message.metadata.id = 7;
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        message
    }

    fn with_payload(mut message: Message, payload: u16) -> Message {
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
        message
    }

    fn refusal(message: &Message) -> ResponseCode {
        let Err(Unread::Refusal { answer: bytes, .. }) = Request::read(&message.to_vec().unwrap()) else {
            panic!("not refused: {message}")
        };
        let answer = Message::from_vec(&bytes).unwrap();
        assert_eq!((answer.metadata.id, answer.metadata.message_type), (7, MessageType::Response));
        answer.metadata.response_code
    }

    #[test]
    fn whole_zones_any_and_strange_classes_are_refused() {
        for kind in [
            RecordType::ANY,
            RecordType::AXFR,
            RecordType::IXFR,
            RecordType::NULL,
            RecordType::Unknown(65280),
        ] {
            assert_eq!(refusal(&asked("example.com.", kind)), ResponseCode::Refused, "{kind}");
        }
        let mut chaos = asked("version.bind.", RecordType::TXT);
        chaos.queries[0].query_class = DNSClass::CH;
        assert_eq!(refusal(&chaos), ResponseCode::Refused);
    }

    #[test]
    fn what_is_no_single_question_is_a_format_error_or_not_implemented() {
        let mut two = asked("a.example.", RecordType::A);
        two.add_query(two.queries[0].clone());
        assert_eq!(refusal(&two), ResponseCode::FormErr);
        let mut none = asked("a.example.", RecordType::A);
        none.queries.clear();
        assert_eq!(refusal(&none), ResponseCode::FormErr);
        for op_code in [OpCode::Update, OpCode::Notify, OpCode::Status] {
            let mut other = asked("a.example.", RecordType::A);
            other.metadata.op_code = op_code;
            assert_eq!(refusal(&other), ResponseCode::NotImp, "{op_code}");
        }
        let mut newer = with_payload(asked("a.example.", RecordType::A), 1232);
        newer.edns.as_mut().unwrap().set_version(1);
        // Its number is that of another code as well.
        assert_eq!(u16::from(refusal(&newer)), u16::from(ResponseCode::BADVERS));
        let mut cut = asked("a.example.", RecordType::A).to_vec().unwrap();
        cut.truncate(HEADER + 3);
        assert_eq!(Request::read(&cut).unwrap_err(), malformed(7, ResponseCode::FormErr));
    }

    #[test]
    fn answers_and_scraps_are_met_with_silence() {
        let mut answer = asked("a.example.", RecordType::A);
        answer.metadata.message_type = MessageType::Response;
        assert_eq!(Request::read(&answer.to_vec().unwrap()).unwrap_err(), Unread::Silence);
        assert_eq!(Request::read(&[0; 11]).unwrap_err(), Unread::Silence);
    }

    #[test]
    fn an_answer_that_does_not_fit_is_truncated_by_udp_and_whole_by_tcp() {
        let text = |count: usize| {
            let name = Name::from_ascii("a.example.").unwrap();
            let record = Record::from_rdata(name, 5, RData::TXT(TXT::new(vec!["x".repeat(200)])));
            Reply { answers: vec![record; count], ..Reply::empty(ResponseCode::NoError) }
        };
        // Records, what the asker takes by UDP, and whether they come at once.
        let cases = [
            (2, None, true),
            (3, None, false),
            (3, Some(4096), true),
            (5, Some(800), false),
            (9, Some(4096), false),
        ];
        for (count, payload, fits) in cases {
            let question = asked("a.example.", RecordType::TXT);
            let question = payload.map_or(question.clone(), |payload| with_payload(question, payload));
            let request = Request::read(&question.to_vec().unwrap()).unwrap();
            let by_udp = request.write(text(count), Transport::Udp);
            assert!(by_udp.len() <= LONGEST_DATAGRAM);
            let read = Message::from_vec(&by_udp).unwrap();
            assert_eq!((read.metadata.truncation, read.answers.len()), (!fits, if fits { count } else { 0 }));
            assert_eq!(read.edns.is_some(), payload.is_some());
            let by_tcp = Message::from_vec(&request.write(text(count), Transport::Tcp)).unwrap();
            assert_eq!((by_tcp.metadata.truncation, by_tcp.answers.len()), (false, count));
        }
        let request = Request::read(&asked("a.example.", RecordType::TXT).to_vec().unwrap()).unwrap();
        let too_long = Message::from_vec(&request.write(text(100), Transport::Tcp)).unwrap();
        assert_eq!((too_long.metadata.response_code, too_long.answers.len()), (ResponseCode::ServFail, 0));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_no_refusal_is_longer_than_a_datagram(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            match Request::read(&bytes) {
                Ok(request) => {
                    let answer = request.write(Reply::empty(ResponseCode::NXDomain), Transport::Udp);
                    prop_assert!(answer.len() <= LONGEST_DATAGRAM);
                }
                Err(Unread::Refusal { answer, .. }) => prop_assert!(answer.len() <= CLASSIC_DATAGRAM),
                Err(Unread::Silence) => {}
            }
        }

        #[test]
        fn no_damage_to_a_question_makes_it_panic(at in 0_usize..60, to in any::<u8>()) {
            let mut bytes = with_payload(asked("db.lease.svc.cluster.local.", RecordType::AAAA), 1232).to_vec().unwrap();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
            if let Ok(request) = Request::read(&bytes) {
                prop_assert!(!request.write(Reply::empty(ResponseCode::NoError), Transport::Udp).is_empty());
            }
        }
    }
}
