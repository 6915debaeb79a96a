"""Who the demo agency serves and who works there: fixed names, and phone numbers that ring nowhere."""

# Phones come from ranges kept for fiction (UK +44 7700 900, France +33 6 39 98, North America 555-01xx) and, where
# a country keeps none, from prefixes no operator holds (+213 53, +212 79, +971 57, +234 83).
CUSTOMERS: list[tuple[str, str, str]] = [
    # English names
    ("Eleanor Whitfield", "GB", "+447700900101"),
    ("Daniel Hargreaves", "GB", "+447700900118"),
    ("Priya Ramsay", "GB", "+447700900136"),
    ("Oliver Pemberton", "GB", "+447700900152"),
    ("Charlotte Ashdown", "GB", "+447700900179"),
    ("Thomas Birkett", "GB", "+447700900204"),
    ("Megan Llewellyn", "GB", "+447700900227"),
    ("George Fairclough", "GB", "+447700900263"),
    ("Hannah Thornbury", "GB", "+447700900318"),
    ("Rebecca Sinclair", "CA", "+14165550112"),
    ("Jason McKenna", "CA", "+16045550127"),
    ("Laura Whitaker", "CA", "+16135550134"),
    ("Andrew Colborne", "CA", "+14035550141"),
    ("Emily Prescott", "CA", "+19055550158"),
    ("Nathan Holloway", "CA", "+12045550163"),
    ("Victoria Langley", "AE", "+971570000117"),
    ("Simon Aldridge", "AE", "+971570000142"),
    ("Margaret Oakley", "GB", "+447700900341"),
    # Nigerian names
    ("Chinedu Okafor", "NG", "+2348300000103"),
    ("Adaeze Nwosu", "NG", "+2348300000119"),
    ("Folake Adeyemi", "NG", "+2348300000124"),
    ("Ibrahim Danladi", "NG", "+2348300000138"),
    ("Ngozi Eze-Okonkwo", "NG", "+2348300000157"),
    ("Tunde Bankole", "NG", "+2348300000166"),
    # French names
    ("Amélie Girard", "FR", "+33639980104"),
    ("Jérôme Lefèvre", "FR", "+33639980117"),
    ("Hélène Dubreuil", "FR", "+33639980129"),
    ("François Mercier", "FR", "+33639980133"),
    ("Chloé Beaumont", "FR", "+33639980146"),
    ("Sébastien Roussel", "FR", "+33639980158"),
    ("Anaïs Fontaine", "FR", "+33639980162"),
    ("Benoît Charpentier", "FR", "+33639980175"),
    ("Zoé Marchand", "FR", "+33639980181"),
    ("Raphaël Delacourt", "FR", "+33639980194"),
    ("Marie-Thérèse Vasseur", "FR", "+33639980207"),
    ("Loïc Kerguélen", "FR", "+33639980213"),
    ("Inès Belkacem", "FR", "+33639980228"),
    ("Gaëlle Pasquier", "FR", "+33639980236"),
    ("Étienne Tremblay", "CA", "+15145550116"),
    ("Geneviève Bélanger", "CA", "+14185550129"),
    ("Mélanie Côté", "CA", "+14505550137"),
    ("Frédéric Gagné", "CA", "+18195550144"),
    ("Noémie Lévesque", "CA", "+14385550151"),
    # Arabic names
    ("محمد بن عيسى", "DZ", "+213530000101"),
    ("فاطمة الزهراء بوعلام", "DZ", "+213530000112"),
    ("عبد القادر مزيان", "DZ", "+213530000123"),
    ("نادية حمداوي", "DZ", "+213530000134"),
    ("كريم بلقاسم", "DZ", "+213530000145"),
    ("سعاد زروقي", "DZ", "+213530000156"),
    ("ياسين شريف", "DZ", "+213530000167"),
    ("آمال قاسمي", "DZ", "+213530000178"),
    ("رشيد منصوري", "DZ", "+213530000189"),
    ("خديجة بن يوسف", "DZ", "+213530000190"),
    ("يوسف العلوي", "MA", "+212799900105"),
    ("سناء الإدريسي", "MA", "+212799900121"),
    ("حمزة التازي", "MA", "+212799900148"),
    ("مريم بنجلون", "MA", "+212799900163"),
    ("سالم المزروعي", "AE", "+971570000201"),
    ("عائشة الكتبي", "AE", "+971570000218"),
    ("راشد الشامسي", "AE", "+971570000235"),
]

# Full name and the part of the address before the @.
CONSULTANTS: list[tuple[str, str]] = [("Grace Holyone", "grace"), ("Yacine Benali", "yacine")]

ADMIN: tuple[str, str] = ("Sam Haddad", "sam")
