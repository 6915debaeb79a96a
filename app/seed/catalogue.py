"""What the demo agency sells, and the words its customers and staff use around an order."""

from typing import Any

# One line per key would make this file half as long again.
# fmt: off
SERVICES: list[dict[str, Any]] = [
    {
        "type": "MAIN", "title": "Canada Visitor Visa", "price": "450.00", "old_price": "520.00", "currency": "USD",
        "region": "North America", "is_active": True, "required_documents": ["PASSPORT", "PHOTO", "BANK_STATEMENT"],
        "description": (
            "Complete support for a temporary resident visa to visit family or travel in Canada. We review your "
            "situation, prepare the online application and book the biometrics appointment. The decision always "
            "rests with the Canadian immigration authorities."),
        "specs": {"processing_time": "4 to 10 weeks", "validity": "Up to 10 years", "stay": "Usually up to 6 months",
                  "entries": "Single or multiple"},
        "features": ["Eligibility review", "Online application", "Biometrics appointment", "Follow-up until decision"],
    },
    {
        "type": "MAIN", "title": "Schengen Tourist Visa", "price": "280.00", "currency": "EUR",
        "region": "Europe", "is_active": True, "required_documents": ["PASSPORT", "PHOTO", "BANK_STATEMENT", "OTHER"],
        "description": (
            "One short-stay visa for travel across the Schengen area, for up to 90 days in any 180-day period. We "
            "choose the right consulate from your itinerary, fill in the form and assemble the file. You attend the "
            "appointment in person with everything in order."),
        "specs": {"processing_time": "15 days after the appointment, longer in summer", "validity": "As granted",
                  "stay": "Up to 90 days in any 180", "entries": "Single, double or multiple"},
        "features": ["Choice of consulate", "Application form", "Day-by-day itinerary", "Insurance guidance"],
    },
    {
        "type": "MAIN", "title": "UK Standard Visitor Visa", "price": "390.00", "currency": "GBP",
        "region": "Europe", "is_active": True, "required_documents": ["PASSPORT", "BANK_STATEMENT", "OTHER"],
        "description": (
            "For tourism, family visits and short business trips to the United Kingdom. We complete the online form "
            "with you, organise the supporting evidence and book the visa application centre. Most visitors may stay "
            "for up to six months."),
        "specs": {"processing_time": "About 3 weeks", "validity": "6 months, longer on request",
                  "stay": "Up to 6 months", "entries": "Multiple"},
        "features": ["Online form completed", "Evidence checklist", "Appointment booking",
                     "File review by a consultant"],
    },
    {
        "type": "MAIN", "title": "Dubai e-Visa 30 Days", "price": "480.00", "old_price": "550.00", "currency": "AED",
        "region": "Middle East", "is_active": True, "required_documents": ["PASSPORT", "PHOTO"],
        "description": (
            "An electronic tourist visa for Dubai and the other emirates, delivered by e-mail. Send us a passport "
            "scan and a recent photo, and we submit the request to our partner in the Emirates. No visit to an "
            "embassy is needed."),
        "specs": {"processing_time": "3 to 5 working days", "validity": "60 days from issue", "stay": "30 days",
                  "entries": "Single"},
        "features": ["Fully online", "PDF visa by e-mail", "Passport scan checked first", "Help in Arabic and French"],
    },
    {
        "type": "MAIN", "title": "US B1/B2 Visitor Visa", "price": "420.00", "currency": "USD",
        "region": "North America", "is_active": True,
        "required_documents": ["PASSPORT", "PHOTO", "BANK_STATEMENT", "OTHER"],
        "description": (
            "Preparation for the United States visitor visa, for business (B1) or tourism (B2). We complete the "
            "DS-160 with you, book the interview and rehearse it in English or French. The consular officer decides "
            "at the interview."),
        "specs": {"processing_time": "Depends on interview dates", "validity": "Depends on nationality",
                  "stay": "Set on arrival, often up to 6 months", "entries": "Depends on nationality"},
        "features": ["DS-160 completed", "Interview booking", "One-hour mock interview", "Supporting documents list"],
    },
    {
        "type": "MAIN", "title": "Turkey e-Visa", "price": "95.00", "currency": "USD",
        "region": "Europe", "is_active": True, "required_documents": ["PASSPORT"],
        "description": (
            "An online visa for tourism or trade, open to many nationalities. We check whether you qualify before "
            "you pay any government fee, then submit the request. If you do not, we explain how to apply at the "
            "consulate."),
        "specs": {"processing_time": "1 to 3 working days", "validity": "180 days for most nationalities",
                  "stay": "30 or 90 days", "entries": "Single or multiple"},
        "features": ["Eligibility check", "Online submission", "PDF visa by e-mail"],
    },
    {
        "type": "MAIN", "title": "Saudi Umrah Visa", "price": "260.00", "old_price": "300.00", "currency": "USD",
        "region": "Middle East", "is_active": True, "required_documents": ["PASSPORT", "PHOTO"],
        "description": (
            "Visa support for pilgrims travelling to Makkah and Madinah for Umrah outside the Hajj season. We submit "
            "the request, register the trip and advise on permits and accommodation. Families and small groups are "
            "welcome."),
        "specs": {"processing_time": "3 to 7 working days", "validity": "As printed on the visa",
                  "stay": "Up to 90 days", "entries": "Single"},
        "features": ["Visa submission", "Help with the Umrah permit", "Group files accepted", "Guidance in Arabic"],
    },
    {
        "type": "MAIN", "title": "Australia Visitor Visa", "price": "410.00", "currency": "USD",
        "region": "Oceania", "is_active": True, "required_documents": ["PASSPORT", "BANK_STATEMENT", "OTHER"],
        "description": (
            "An online application for the Visitor visa (subclass 600), for holidays and family visits. We upload "
            "the evidence, answer requests from the Department of Home Affairs and tell you if biometrics or a "
            "medical examination are needed."),
        "specs": {"processing_time": "3 to 8 weeks", "validity": "As granted", "stay": "3, 6 or 12 months",
                  "entries": "Single or multiple"},
        "features": ["Online application", "Evidence uploaded for you", "Status updates by e-mail"],
    },
    {
        "type": "MAIN", "title": "Japan Tourist Visa", "price": "230.00", "currency": "USD",
        "region": "Asia", "is_active": True, "required_documents": ["PASSPORT", "PHOTO", "BANK_STATEMENT"],
        "description": (
            "A short-term stay visa for sightseeing in Japan. We prepare the daily schedule, the application form "
            "and the proof of funds in the format the embassy expects. Plan to apply one to two months before "
            "departure."),
        "specs": {"processing_time": "5 to 10 working days", "validity": "3 months for a single entry",
                  "stay": "15, 30 or 90 days", "entries": "Usually single"},
        "features": ["Daily schedule", "Application form", "File checked page by page"],
    },
    {
        "type": "MAIN", "title": "China Tourist Visa (L)", "price": "240.00", "currency": "USD",
        "region": "Asia", "is_active": True, "required_documents": ["PASSPORT", "PHOTO", "OTHER"],
        "description": (
            "The L visa for tourism in mainland China. We complete the online form, arrange the appointment and "
            "check your photo against the official requirements. Fingerprints may be taken when the file is lodged."),
        "specs": {"processing_time": "4 to 7 working days", "validity": "Often 3 months", "stay": "Often up to 30 days",
                  "entries": "Single, double or multiple"},
        "features": ["Online form completed", "Photo compliance check", "Appointment arranged", "Itinerary included"],
    },
    {
        "type": "MAIN", "title": "Canada Study Permit", "price": "890.00", "old_price": "990.00", "currency": "CAD",
        "region": "North America", "is_active": True,
        "required_documents": ["PASSPORT", "PHOTO", "BANK_STATEMENT", "OTHER"],
        "description": (
            "For students who hold a letter of acceptance from a designated learning institution. We prepare the "
            "study plan, the proof of funds and the online application, including a provincial attestation letter "
            "where one is required. Start at least four months before classes begin."),
        "specs": {"processing_time": "6 to 14 weeks", "validity": "Length of the programme plus 90 days",
                  "stay": "Length of the programme"},
        "features": ["Study plan review", "Proof of funds prepared", "Online application", "Pre-departure call"],
    },
    {
        "type": "MAIN", "title": "Schengen Business Visa", "price": "340.00", "currency": "EUR",
        "region": "Europe", "is_active": True, "required_documents": ["PASSPORT", "PHOTO", "BANK_STATEMENT", "OTHER"],
        "description": (
            "A short-stay visa for meetings, trade fairs and training in the Schengen area. We check the invitation "
            "and the employer's letter, and present the business purpose clearly. It does not give the right to take "
            "up a job."),
        "specs": {"processing_time": "15 days after the appointment", "validity": "As granted",
                  "stay": "Up to 90 days in any 180", "entries": "Single or multiple"},
        "features": ["Invitation letter check", "Employer letter model", "Application form", "Priority call-back"],
    },
    {
        "type": "MAIN", "title": "India e-Visa", "price": "110.00", "currency": "USD",
        "region": "Asia", "is_active": True, "required_documents": ["PASSPORT", "PHOTO"],
        "description": (
            "An electronic visa for tourism, business or medical visits, open to nationals of eligible countries. We "
            "fill in the long online form, resize the photo and passport scan, and track the answer. Print the "
            "authorisation and carry it with you when you fly."),
        "specs": {"processing_time": "3 to 5 working days", "validity": "30 days, 1 year or 5 years",
                  "stay": "Depends on nationality", "entries": "Double or multiple"},
        "features": ["Eligibility check", "Form completed for you", "Photo and scan resized"],
    },
    {
        "type": "MAIN", "title": "Malaysia eVISA", "price": "120.00", "currency": "USD",
        "region": "Asia", "is_active": True, "required_documents": ["PASSPORT", "PHOTO", "BANK_STATEMENT"],
        "description": (
            "An online visa for nationalities that need one before travelling to Malaysia. We submit the request "
            "with your booking and proof of funds, then help you complete the digital arrival card in the three days "
            "before you land."),
        "specs": {"processing_time": "3 to 7 working days", "validity": "3 months", "stay": "Up to 30 days",
                  "entries": "Single"},
        "features": ["Online submission", "Digital arrival card", "PDF visa by e-mail"],
    },
    {
        "type": "MICRO", "title": "Travel Insurance 30 Days", "price": "39.00", "old_price": "49.00", "currency": "EUR",
        "region": "Europe", "is_active": True, "required_documents": ["PASSPORT"],
        "description": (
            "Medical and repatriation cover for one traveller for up to 30 days. The certificate states the EUR "
            "30,000 minimum required for a Schengen visa and arrives by e-mail."),
        "specs": {"processing_time": "Same day", "validity": "30 days", "cover": "EUR 30,000"},
        "features": ["Certificate for the consulate", "Medical and repatriation cover", "24-hour assistance line"],
    },
    {
        "type": "MICRO", "title": "Flight Reservation", "price": "25.00", "currency": "USD",
        "region": None, "is_active": True, "required_documents": ["PASSPORT"],
        "description": (
            "A genuine return reservation with a booking reference, held while your visa file is being lodged. It is "
            "not a ticket: you buy the flight only once you are ready to travel."),
        "specs": {"processing_time": "24 hours", "validity": "Up to 14 days, set by the airline"},
        "features": ["Verifiable booking reference", "One free date change", "PDF by e-mail"],
    },
    {
        "type": "MICRO", "title": "Hotel Booking", "price": "20.00", "currency": "USD",
        "region": None, "is_active": True, "required_documents": ["PASSPORT"],
        "description": (
            "Hotel bookings that match your itinerary and can be cancelled free of charge until the date shown on "
            "the voucher. You pay for the room at the hotel."),
        "specs": {"processing_time": "24 hours", "cities": "Up to 3"},
        "features": ["Free cancellation", "Up to three cities", "Vouchers for the visa file"],
    },
    {
        "type": "MICRO", "title": "Passport Photo Editing", "price": "8.00", "currency": "USD",
        "region": None, "is_active": True, "required_documents": ["PHOTO"],
        "description": (
            "Send a photo taken at home against a plain wall. We crop it and correct the size and background to the "
            "format your embassy asks for, without retouching your face."),
        "specs": {"processing_time": "12 hours", "format": "JPG and print sheet"},
        "features": ["Country-specific size", "Plain background", "Print-ready sheet"],
    },
    {
        "type": "MICRO", "title": "Document Translation", "price": "3500.00", "currency": "DZD",
        "region": "Africa", "is_active": True, "required_documents": ["OTHER"],
        "description": (
            "Translation of civil and bank documents between Arabic, French and English by a sworn translator in "
            "Algiers. The price is for one page; stamped originals can be collected or sent by courier."),
        "specs": {"processing_time": "2 to 3 working days", "languages": "Arabic, French, English", "unit": "One page"},
        "features": ["Sworn translator", "Stamp and signature", "Scan by e-mail", "Courier on request"],
    },
    {
        "type": "MICRO", "title": "Visa Appointment Booking", "price": "45.00", "currency": "EUR",
        "region": None, "is_active": True, "required_documents": ["PASSPORT"],
        "description": (
            "We watch the calendar of the official visa centre and book the first suitable date in your name. You "
            "receive the confirmation and a list of what to bring."),
        "specs": {"processing_time": "Depends on available dates", "centres": "VFS Global, TLScontact, BLS"},
        "features": ["Daily calendar check", "Booking in your name", "Reminder two days before"],
    },
    {
        "type": "MICRO", "title": "Visa Cover Letter", "price": "30.00", "currency": "USD",
        "region": None, "is_active": True, "required_documents": ["PASSPORT", "OTHER"],
        "description": (
            "A clear, personal cover letter in English or French that explains the purpose of your trip, who pays "
            "for it and why you will return. It is written from your own facts and revised once at no charge."),
        "specs": {"processing_time": "48 hours", "languages": "English or French", "length": "One page"},
        "features": ["Written by a consultant", "One free revision", "Word and PDF"],
    },
    {
        "type": "MICRO", "title": "Application Form Review", "price": "35.00", "old_price": "40.00", "currency": "GBP",
        "region": None, "is_active": True, "required_documents": ["PASSPORT", "OTHER"],
        "description": (
            "Filled in the form yourself? A consultant checks every answer against your documents and sends you a "
            "marked copy with corrections before you submit it."),
        "specs": {"processing_time": "48 hours", "forms": "One application"},
        "features": ["Line-by-line check", "Marked copy", "15-minute call"],
    },
    {
        "type": "MICRO", "title": "Dubai Airport Transfer", "price": "150.00", "currency": "AED",
        "region": "Middle East", "is_active": True, "required_documents": [],
        "description": (
            "A private car from Dubai International Airport to your hotel in the city. The driver follows your "
            "flight and waits in the arrivals hall with your name."),
        "specs": {"processing_time": "Book 24 hours ahead", "vehicle": "Saloon, up to 3 passengers",
                  "waiting": "60 minutes included"},
        "features": ["Flight tracking", "Meet and greet", "Child seat on request"],
    },
    {
        "type": "DIGITAL", "title": "Visa Interview E-book", "price": "19.00", "old_price": "29.00", "currency": "USD",
        "region": None, "is_active": True, "required_documents": [],
        "description": (
            "Sixty questions that consular officers often ask, with advice on answering briefly and truthfully. It "
            "includes a chapter on nerves and a one-page summary for the morning of the interview."),
        "specs": {"format": "PDF and EPUB", "pages": "84", "language": "English"},
        "features": ["60 practice questions", "One-page summary", "Free updates for a year"],
    },
    {
        "type": "DIGITAL", "title": "Canada Visa Checklist", "price": "12.00", "currency": "CAD",
        "region": "North America", "is_active": True, "required_documents": [],
        "description": (
            "A printable checklist for Canadian visitor visas and study permits, in the order in which the online "
            "account asks for the documents. Each line says what an acceptable document looks like."),
        "specs": {"format": "PDF", "pages": "9", "language": "English and French"},
        "features": ["Visitor and student lists", "File naming tips", "Printable A4 and Letter"],
    },
    {
        "type": "DIGITAL", "title": "Travel Itinerary Template", "price": "7.00", "currency": "EUR",
        "region": "Europe", "is_active": True, "required_documents": [],
        "description": (
            "A day-by-day itinerary that you fill in with your own dates, hotels and transport. It adds up your "
            "nights per country, which helps you find the right Schengen consulate."),
        "specs": {"format": "Word and Excel", "language": "English and French"},
        "features": ["Automatic night count", "Filled-in example", "Easy to edit"],
    },
    {
        "type": "DIGITAL", "title": "Bank Statement Guide", "price": "9.00", "currency": "USD",
        "region": None, "is_active": True, "required_documents": [],
        "description": (
            "How to present genuine bank statements so that an officer can read them quickly. It explains which "
            "period to cover, how to account for a large deposit and how to add a sponsor's documents."),
        "specs": {"format": "PDF", "pages": "22", "language": "English"},
        "features": ["Annotated examples", "Sponsor letter model", "Common mistakes"],
    },
    {
        "type": "DIGITAL", "title": "Umrah Preparation Guide", "price": "11.00", "currency": "USD",
        "region": "Middle East", "is_active": True, "required_documents": [],
        "description": (
            "A practical guide to a first Umrah: what to pack, how to move between Jeddah, Makkah and Madinah, and "
            "the rites step by step. It is illustrated with maps and written in Arabic and French."),
        "specs": {"format": "PDF", "pages": "56", "language": "Arabic and French"},
        "features": ["Rites step by step", "Maps and transport", "Packing list"],
    },
    {
        "type": "DIGITAL", "title": "Study Plan Template", "price": "15.00", "currency": "GBP",
        "region": None, "is_active": True, "required_documents": [],
        "description": (
            "A structured template for the study plan or statement of purpose that goes with a student visa. Prompts "
            "help you link your past studies, the chosen programme and your plans afterwards."),
        "specs": {"format": "Word", "pages": "6", "language": "English"},
        "features": ["Guided prompts", "Two annotated examples", "Final checklist"],
    },
    {
        "type": "DIGITAL", "title": "Travel Health Rules Handbook 2022", "price": "10.00", "currency": "USD",
        "region": None, "is_active": False, "required_documents": [],
        "description": (
            "A country-by-country summary of the vaccination and testing rules that applied to travellers in 2022. "
            "It is no longer sold because most of those rules have been lifted."),
        "specs": {"format": "PDF", "pages": "48", "language": "English"},
        "features": ["40 countries", "Quick reference tables", "Links to official sources"],
    },
]
# fmt: on

# Where an order for the service goes; services that fit any country are left out.
DESTINATIONS: dict[str, str] = {
    "Canada Visitor Visa": "Canada",
    "Schengen Tourist Visa": "France",
    "UK Standard Visitor Visa": "United Kingdom",
    "Dubai e-Visa 30 Days": "United Arab Emirates",
    "US B1/B2 Visitor Visa": "United States",
    "Turkey e-Visa": "Turkey",
    "Saudi Umrah Visa": "Saudi Arabia",
    "Australia Visitor Visa": "Australia",
    "Japan Tourist Visa": "Japan",
    "China Tourist Visa (L)": "China",
    "Canada Study Permit": "Canada",
    "Schengen Business Visa": "Germany",
    "India e-Visa": "India",
    "Malaysia eVISA": "Malaysia",
    "Travel Insurance 30 Days": "Spain",
    "Dubai Airport Transfer": "United Arab Emirates",
}

PURPOSES: list[str] = [
    "Tourism",
    "Family visit",
    "Business meeting",
    "Conference",
    "Studies",
    "Pilgrimage",
    "Medical treatment",
    "Honeymoon",
]

NOTES: list[str] = [
    "Please call after 5 pm, I work during the day.",
    "We are two adults and one child, travelling together.",
    "My previous visa expired last year; I can send a copy.",
    "My sister in Toronto will host me and has written an invitation.",
    "Merci de me rappeler par WhatsApp de préférence.",
    "Je voyage avec ma mère, qui a 71 ans.",
    "Mon passeport est en cours de renouvellement, je vous l'envoie la semaine prochaine.",
    "Les dates sont flexibles, à une semaine près.",
    "أرجو التواصل معي عبر البريد الإلكتروني.",
    "أسافر مع زوجتي وطفلينا.",
    "هل يمكن تسريع معالجة الملف؟ موعد السفر قريب.",
    "سأرسل كشف الحساب البنكي يوم الأحد إن شاء الله.",
]

# What staff type when an order moves to the status.
STEP_REASONS: dict[str, list[str]] = {
    "CONFIRMED": [
        "Bank transfer received, ref 4471",
        "Paid in cash at the desk, receipt 0193",
        "Transfer slip checked with the bank",
        "Paid by cheque, cleared this morning",
        "Balance settled at the Algiers office",
    ],
    "IN_PROGRESS": [
        "File opened with the embassy",
        "Documents complete, application submitted",
        "Biometrics appointment booked",
        "Form filled in, waiting for the customer's signature",
        "Sent to the visa centre by courier",
    ],
    "COMPLETED": [
        "Passport returned by courier",
        "Visa granted, PDF sent to the customer",
        "Passport collected at the desk",
        "Documents delivered by e-mail",
        "Customer confirmed receipt by phone",
    ],
    "CANCELLED": [
        "Customer postponed the trip",
        "Ordered twice by mistake",
        "Customer no longer needs a visa",
        "Passport expires too soon, customer will reapply",
        "No answer after three reminders",
    ],
}
