"""The full stops that do not end a sentence, by language: abbreviations, ordinals, and the words that begin sentences.

Abbreviations are in lower case and without their last full stop. CLDR's sentence break suppressions of English and
German (common/segments/en.xml@866995fb and de.xml@1f9b36d4) were read beside them; those that are also ordinary words
at the end of a sentence ("In.", "Test.") were left out. Codes of languages are Whisper's.
"""

from __future__ import annotations

from functools import cache


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


NUMBERS_WITH_FULL_STOP = _set("bs cs da de et eu fi fo hr hu is lb lv nn no pl sk sl sr tr")
"""Languages that write an ordinal as a number with a full stop: den 15. Mai, 2. maailmansota."""

BEFORE_A_NUMBER = _set(
    "abb abs art bd ch chap eq fig figs hfst hl kap kl max min no nos n nr num núm op p pp pag pág par rozdz sec sect "
    "str tab tel v vol zv рис стр табл тел jan feb febr mar mär apr jun jul aug sep sept oct okt ott nov dec dez dic"
)
"""Abbreviations, in any language, that are one only before a number: No. 5, but "No." alone is a sentence."""

ALWAYS_CONTINUED = "ca dr e.g eg i.e ie mr mrs ms prof vs viz"
OFTEN_CONTINUED = "bros co corp etc inc jr ltd ph.d sr st"

# fmt: off
CONTINUED = {
    "en": "abt approx asst capt cf cmdr col cpl cpt dept esp est gen gov incl insp lt maj messrs mme mx rev sen sgt "
    "supt univ v ph",
    "de": "a.d abb abs abt apl bes betr bspw bzgl bzw d.h dgl dipl dipl.-ing ehem eigtl einschl entspr ev evtl exkl "
    "fa fam ffm fr frl geb gegr gem gest ggf ggfs hg hl hr hrn hrsg i.a i.d.r inkl insb insbes jew kath kgl "
    "lfd lt m.e m.w med mind nat nr näml o.g od phil pol priv.-doz r.-k rd rer resp röm s.o s.u schweiz sog "
    "südd tel tgl u.a.m u.u urspr ursprüngl v.a verh verw vgl vorm z.b z.t z.z z.zt zzgl österr",
    "nl": "a.h.w a.u.b bijv blz bv d.m.v d.w.z dhr drs evt excl fam fig gem i.p.v i.t.t i.v.m incl ing ir jhr jl "
    "m.b.t m.b.v m.i.v m.n mevr mw n.a.v nl nr o.a o.b.v o.i.d o.l.v resp t.a.v t.b.v t.g.v t.o.v vgl z.g.a.n",
    "da": "adm afd alm ang bl.a c d dvs ekskl ev evt f.eks f.o.m fhv fig forh fr frk gl h hhv hr if iflg ifm ift "
    "inkl jf jvf kl m.fl m.h.t mht ml nr o.lign pga pkt pr s.k s.u sml t.o.m tlf vedr vha",
    "no": "adm alm ang avd bl.a d.v.s dvs ekskl evt f.eks f.o.m fr frk gl hhv hr if iflg inkl jf kl m.a.o mht nr "
    "pga pr s.k sml st t.o.m tlf vedr",
    "sv": "adv avd bl.a civ d.v.s dvs enl ev exkl f.d f.n f.o.m fig forts fr frk förf hr inkl iofs jfr jur kap kl "
    "m.a.o m.fl möjl nr o.dyl p.g.a resp s.k sid sk särsk t.ex t.o.m tel tex tf uppl äv",
    "fi": "alk arv eläk em engl ent esim eur fil ilm jatk joht kans ko koht ks l lkm ltn lyh mahd maist n nk noin "
    "nro ns os p par pj po puh pvm rva s siht srk synt t toim tri ts v vrt yht",
    "is": "a.m.k bls d.h e.t.v f.h fr hr m.a m.a.s nr s.s sbr skv t.a.m t.d u.þ.b þ.e þ.e.a.s",
    "et": "a hr k.a k.a.s lk lp mag n.ö nr ns nt pr prl pst s.o s.t sh st t tel tln u v vm vrd",
    "lv": "akad apm atb dz g kt lpp mag mln mlrd nod nr p pag piem plkst resp sal sk t.i t.s tālr īst",
    "lt": "a akad angl apie asm d doc dėst g gen inž iš kun kv l mln mlrd mob mėn n nr p past pav pirm plg pr psl "
    "pvz r red st t t.y tel tūkst vad šv žr",
    "pl": "al ang b bm bp bł dn doc dot dyr dz gen godz hab hr inż jw kard kol kpt ks ktl lek lic m mec mgr mjr n.p "
    "np nr nt ob oo p pl pow poz prez przed przew pt płk red rtm s sp str sz tel tj tzn tzw ul wg woj ws zam "
    "zał zob śp św",
    "cs": "ak arch bc bl cca col dipl doc ev fa gen hl ing j.m jr kpr kpt kupř lic mgr mil mj mjr mld mudr mvdr n "
    "n.m např npor nr o.p odd p phdr phmr pl plk pol por pplk ppor prap pí resp rndr rtm sl slč sp st str sv "
    "t.j tel thdr tj tzn tzv tř ul v vlp vč zejm zn zvl č čj čp š škpt",
    "sk": "akad arch bc cca doc ev gen hl ing kpr kpt mgr mil mjr mld mudr mvdr n napr nasl niekt odd p phdr pl plk "
    "por pozn resp rndr rtm sl slov str sv t.j t.z tel tj tzn tzv ul zv č čs",
    "sl": "akad angl dipl doc fr g gdč gen gl gosp inž itp kand l m.j mag n.pr nem npr o okr oz p posl pribl prim r "
    "roj sl slov st str sv t.i t.j tel tj tov ul univ vel vlč zv",
    "hr": "akad al br cca dipl doc dr.sc eng fra g gl gosp gđa gđica inž itsl izv kard mag mj mr.sc nar npr o.g odn "
    "op pod rkt sc str sv tel tis tj tzv ur usp v vlč zv čl šk žup",
    "hu": "alez art b.ú.é.k biz bp br bt c d du dzs ea ed em ev f ford főp gr gy heg hg hiv i.m ifj ill isk jan k "
    "kat kb kiv kk korm kül l ld lev megj mg mj mo mp n.b nb nr nyug o okl pl plc pld pu r s sgt srl sz szerk "
    "szk szt t tanm tc tel tkp tsz tszf u ui v vsz vö áll ált é.n özv ún",
    "ro": "acad alin art av bd bl bul cap cca cf col d d-l d-na dl dna dra drd dvs ec ed ex fig gen ing jud lct loc "
    "lt nr obs pag par pct plt pr sc sec sf str tel tov univ vol șos",
    "it": "a.a all amm arch art avv c.so cap cav cfr col comm d dir dott dott.ssa dr.ssa ecc.mo ed egr es fig filos "
    "gen gent geom ill ing int isp lett mag mar mons n nr on op p.es p.za pag par pres prof.ssa rag ragg rev "
    "s seg sen sig sig.na sig.ra sigg spett tel ten v v.le vol",
    "es": "adj admon admón aprox art arz av avda bco cap cf cta ctra cía d dir dpto dra dña ee edif ej entlo excma "
    "excmo exma exmo fco fdo gob gral hnos ilma ilmo ing izda izq lic ltda mons mtro nro ntra núm p.e p.ej "
    "pbro pdte pl profa prov pág págs rdo rte sgto sr sra sras sres srta sta sto tel tfno tte "
    "vol",
    "ca": "aprox art av c cap dra ed excm fig gral hble il·lm ing lic mn núm p.ex pl pàg sr sra st sta tel vol",
    "gl": "aprox art av avda cap d dna dra excmo ing núm p.ex pax profa páx r sr sra srta sta sto tel vol",
    "pt": "alm arq art av brig c.ia cap cel cia col comte cte d dir dpto dra ed eng enga esc est ex exa exma exmo "
    "fig gal gen hab ilma ilmo jr lic maj mons núm obs p.e p.ex pe profa pág págs pç r rev rod s sarg sec sen "
    "sr sra sras srs srta sta sto tel ten trav tv v.exa vol",
    "fr": "adj apr av bd boul c.-à-d c.à.d cf chap cie dir doct env fg fig gal hab ibid ill ing lieut loc m me mgr "
    "mlle mlles mm mme mmes p.ex par pl resp rev réf ste suiv sup trad tx tél vol éd",
    "ru": "акад англ бул г-жа г-н гл гос гр д доц др-р и.о ин инж исп к.м.н кан кв кн корп лат лит м.б муз наб напр "
    "нач обл оз оф п пер пл пос просп проф ред св сев соч ср ст стб стр т.е т.к т.н т.о т.ч табл тов ул факс "
    "фр чел",
    "uk": "акад англ буд бул вул гр доц кв м напр нім о обл пл пп пров просп проф р-н ред с св смт ст стор т.зв т.ч "
    "тел тобто тов ім інж",
    "be": "акад буд вобл вул гл гр дац кв напр пл пр праф св ст стар т.зв тыс тэл імя інж",
    "bg": "акад ал ап бл бул вж вх г-жа г-н гр д-р доц ж.к им инж напр нпр пл проф с св стр т.е т.нар тел ул чл",
    "mk": "акад бул г-дин г-ѓа д-р доц инж итн на пл пр проф св стр т.е тел ул чл",
    "sr": "akad br bul dipl doc g gosp gđa inž npr odn str sv tel tj tzv ul čl акад бр бул г-ђа госп гђа инж мр "
    "напр нпр одн проф св стр тел тзв тј ул чл",
    "el": "αγ αι αλ αρ βλ γρ δηλ δις δρ εκ εκατ ενν επ ευρ θ ι κ κα κεφ κκ κος λ λεωφ μ μτφ ν ο οδ π.χ παρ πλ πρβλ "
    "σ σελ στρ συγγρ σχ τ τηλ τμ υπ φρ χρ",
    "tr": "alb apt arş atğm bkz bl blv bşk cad cd dipl doç dz dç ecz fr gen hst huk hz hzl ing jap km kom krş kuv "
    "lt ltd mad mah md mec müd müh no onb op opr ord org pst s sf sn tic tls tuğg tğm yard yd yrd ytl yzb çev "
    "örn öğr öğrt üni üst şb şti",
    "az": "akad bax dos hüc küç məs pr rus tel və.b xan",
    "id": "a.n dra drs h hj ir jl kab kec ket kol kp no ny pt s.d tgl tlp tn u.p yth",
    "vi": "bs gs ks ls p pgs q ths tp ts tt tx v.d vd đ",
    "eu": "adib and ib jn k.a orr zk",
    "ar": "أ ت د ص ق م",
    "hi": "कु डॉ पं प्रो मि श्री सु",
    "bn": "ড ডা প্রফেসর মো",
    "hy": "դոկտ պրոֆ տիկ օր",
}
"""Abbreviations after which a sentence goes on, by language (Dr., z.B., approx.)."""
CONTINUED_OR_LAST = {
    "en": "a.d a.m al ave b.a b.c blvd d.c dist esq ft hon hrs int intl jun lbs llc m.a m.d min mins mt mts oz p.m "
    "p.s plc pres pt pvt rd rep sec u.k u.n u.s u.s.a",
    "de": "a.m allg bd chr d.j ff gmbh i.r jh jhd jhdt kap mag mio mrd n.chr std str tsd u.a u.ä usf usw v.chr",
    "nl": "a.d e.a e.d enz m.m n.chr n.v str v.chr",
    "da": "a.m e.kr e.l eks f.kr kr m.m mia mio mv osv s u.a",
    "no": "e.kr e.l eks f.kr kr m.m mfl mill mrd mv o.l osv",
    "sv": "e.kr el f.kr kr m.m mfl milj mkr mm mrd osv tkr",
    "fi": "eaa ekr jaa jkr jms jne klo milj mm mrd tms vs ym yms",
    "is": "e.kr f.kr o.fl o.s.frv",
    "et": "e.kr e.m.a jms jne jpt jt m.a.j pkr",
    "lv": "m.ē p.m.ē u.c u.tml utt",
    "lt": "ir.pan kt m pan t.t val",
    "pl": "ha im itd itp m.in n.e ok os p.n.e por r s.a tys ur w zł",
    "cs": "a.s aj apod atd hod kč l.p n.l nám o.p.s př.n.l r s.r.o tis",
    "sk": "a.i a.s apod atď hod n.l nám pod pr.n.l r s.r.o tis",
    "sl": "d.d d.o.o ga idr ipd itd itn n.št o.p pr.n.št",
    "hr": "d.d d.o.o god i.sl itd kn mil n.e pr.kr r sl",
    "hu": "i.e i.sz kft nyrt rt stb u.n zrt",
    "ro": "d.hr e.n s.a s.r.l î.hr ș.a ș.a.m.d",
    "it": "a.c d.c ecc s.a.s s.n.c s.p.a s.r.l",
    "es": "uu ud uds vd vds a.c a.m d.c ee.uu p.d p.m s.a s.l",
    "ca": "a.c d.c s.a s.l",
    "gl": "a.c d.c s.a s.l",
    "pt": "a.c d.c ltda s.a",
    "fr": "apr.j.-c av.j.-c col ex n.b s.a s.a.r.l sec",
    "ru": "в вв г гг до.н.э др им кг км коп млн млрд н.э нем пр р рис руб рук с см т.д т.п тел тыс ч",
    "uk": "в г грн див млн млрд н.е р рис рр т.д т.п тис ч ін",
    "be": "г гг млн млрд т.д т.п інш",
    "bg": "в г гг др лв млн млрд н.е пр т.н хил ч",
    "mk": "г др мил н.е сл т.н",
    "sr": "d.o.o god itd sl г год дин др итд мил н.е пр.н.е сл",
    "el": "κ.ά κ.α κ.λπ κ.ο.κ κ.τ.λ κλπ κτλ μ.μ μ.χ π.μ",
    "tr": "a.ş av m.s m.ö t.c vb vd vs",
    "az": "b.e.ə e.ə s",
    "id": "dll dsb tbk",
    "vi": "v.v",
    "eu": "etab",
}
"""Abbreviations after which a sentence may also end, by language (Inc., usw., U.S.)."""
STARTERS = {
    "en": "a after all also an and another are as at because before both but can despite did do does during each "
    "even every finally first for from had has have he her here his how however i if in instead is it its "
    "later many maybe meanwhile most my next no nobody not nothing now of on once one only or our perhaps "
    "please she since so some still such that the their then there therefore these they this those though "
    "through thus to today under until was we well were what when where which while who why will with would "
    "yes yet you your",
    "de": "aber alle allerdings als also am an auch auf außerdem bei beide bis da dabei dadurch dafür daher damals "
    "damit danach dann daraufhin darum das dass dazu dem den denn der deshalb dies diese dieser dieses doch "
    "dort du durch ein eine einen einer eines er es für gestern hat heute hier ich ihr ihre im in inzwischen "
    "ist ja jede jeder jetzt kann kein keine man manche mein meine mit nach nachdem nein nicht noch nun nur "
    "ob obwohl oder ohne schon sehr sein seine seit seitdem sie sind so später trotzdem um und uns unser "
    "unter viele vielleicht vom von vor wann war waren warum was weil weiter wenn wer wie wieder wir wird wo "
    "zu zudem zuerst zum zur zwar zwischen über",
    "nl": "al als bij daar daarna dan dat de deze die dit door een en er gisteren haar heeft het hier hij hoe ik in "
    "is ja je jij maar men met misschien na naar nee niet nu of om ook op over toen uit van vandaag veel voor "
    "waar waarom want wat we wie wij ze zij zijn zo zoals",
    "da": "af alle altså at da de den der derefter det dette du efter en er et for fordi fra han hans har her hun "
    "hvad hver hvis hvor hvorfor i ja jeg kan kun man med men mens min måske nej nu når og også om på senere "
    "som så til under var ved vi",
    "no": "alle altså at av da de den der deretter det dette du en er et etter for fordi fra han hans har her hun "
    "hva hver hvis hvor hvorfor i ja jeg kan kanskje kun man med men mens min nei nå når og også om på senere "
    "som så til under var ved vi",
    "sv": "alla att av de den det detta du där därefter efter eftersom en ett från för han hans har hon hur här i "
    "inte ja jag kan man med medan men min nej nu när och också om på sedan senare som så till under var "
    "varför vi vid är",
    "fi": "ehkä ei että he hän ja jo joka jos kaikki koska kuitenkin kuka kun me miksi mikä minä missä mitä mutta "
    "myöhemmin myös ne niin no nyt näin on se sen siellä siinä silloin sinä sitten te tämä tässä vaikka vain",
    "is": "að ef en er fyrir hann hvar hvað hér hún já maður með nei nú og sem svo síðan um við á ég þar þau það "
    "þegar þeir þess þetta þá þú",
    "et": "aga ei ent et ja jah ka kas kes kui kus ma me meie mis nad nii nüüd oli on pärast sa seal see selle siin "
    "siis ta te tema või",
    "lv": "ar arī bet bija es gan ir ja jo jā ka kad kas kur man mēs nav no nē pie pēc tad tagad tas te tie tur tā "
    "un vai viņa viņi viņš šis šī",
    "lt": "ar aš be bet buvo dabar jei ji jie jis jo jos kad kai kaip kas kur mes ne nes nors o po tada tai taip "
    "tačiau ten todėl tu vėliau čia",
    "pl": "a ach ale bo był była było co czy dla dlaczego dlatego do dziś gdy gdzie i ich ja jak jako jednak jest "
    "jeśli już kiedy kto który ma może my na nie nikt no o od on ona oni ono oraz po pod potem przed przy się "
    "są ta tak także tam te ten teraz to tu tutaj ty tylko tym w więc wszyscy wszystko wtedy z za że",
    "cs": "a ale ano asi až bez bude by byl byla bylo co dnes do i jak jako je jeho její jen jestli já kde kdo když "
    "která který mezi my můj na ne nebo než nic o od on ona oni pak po podle potom pro proto protože proč "
    "před při s se si tak také tam ten tento teď to toto tu ty u už v ve vy však z za ze že",
    "sk": "a ak ako ale alebo asi až bez bol bola bolo by dnes do i ja je jeho jej kde keď kto ktorá ktorý medzi my "
    "môj na nie nič o od on ona oni po podľa potom pre pred preto pretože prečo pri s sa si tak tam ten tento "
    "teraz tiež to toto tu ty u už v vo vy však z za zo áno čo že",
    "sl": "a ali ampak bil bila bilo bo da danes do in iz ja jaz je kaj kako kdo ker ki kje ko med mi na nato ne ni "
    "o od on ona oni pa po potem pred pri s se si so ta tako tam te ti to tu tudi v vendar vi z za zakaj zato "
    "zdaj če že",
    "hr": "a ali bez bi bila bilo bio da danas do gdje i ili iz ja je jer kad kada kako kao ko na naime ne nego ni "
    "no o od on ona onda oni ono ova ovaj ovo po pod pred pri s sada sam se su ta tada taj tako tamo te ti to "
    "u uz već vi za zato zašto što",
    "hu": "a ahol aki akkor ami amikor az azonban azt azért bár csak de egy ekkor ennek ez ezek ezt ezért ha hanem "
    "hogy hol igen is itt ki később ma majd mert mi mikor mint miért most már még nem ott pedig például s "
    "szerint te tehát után utána vagy van volt én és így ő ők",
    "ro": "a această acest acum ai aici am apoi are atunci au azi care ce cine cu cum când că da dacă dar de deci "
    "din după ea ei el este eu fără iar la mai mâine nimeni noi nu o pe pentru poate sau se sunt tu un unde "
    "va voi în însă și",
    "it": "a al alla allora anche ancora avete c che chi ci come con cosa così da dal dalla dei del della di dopo "
    "dove e ecco era essa esso fu gli ha hanno ho i il in infatti io l la le lei lo loro ma mentre mi nel "
    "nella no noi non o oggi ogni ora per perché però poi prima qual quale quando quella quello questa questo "
    "qui se senza si sono su sì tra tu tutti tutto un una uno voi è",
    "es": "a además ahora al algunos allí antes aquel aquí así aunque aún cada como con cuando cuándo cómo de del "
    "desde después donde durante dónde e el ella ellas ellos en entonces entre era es esa ese eso esta este "
    "esto está fue había han hasta hay hoy la las le les lo los luego mas mañana me mi mientras muchos muy "
    "más nada nadie ni no nos nosotros o para pero por porque pues que quien quién qué se según si sin sobre "
    "solo son su sus sí también tampoco todo todos tras tú un una uno y ya yo él",
    "ca": "a així això aixó al aleshores amb aquest aquesta avui com d de del després doncs el ell ella els en "
    "encara era està ha hi i ja jo l la les llavors més no nosaltres o on per perquè però quan qui què se "
    "sense si sí també tot un una és",
    "gl": "a agora ao así até aínda cando como con de despois do e el ela eles en entón era esta este eu foi hai "
    "hoxe mais máis na no non nós o os ou para pero por porque que quen se sen si sobre tamén todo un unha",
    "pt": "a agora ainda além antes ao aos aqui as assim até cada com como da de depois desde do durante e ela elas "
    "ele eles em entre então era essa esse esta este está eu foi hoje há isso isto já lá mais mas me meu "
    "minha muito na nada nem no não nós o onde os ou para pela pelo pois por porque quando que quem se sem "
    "ser sim sob sobre sua só também tem todos tudo um uma você é",
    "fr": "a ainsi alors après au aussi autre aux avant avec c ce cela celui ces cet cette chaque comme comment d "
    "dans de depuis des donc du elle elles en encore enfin ensuite entre est et il ils j je jusqu l la le les "
    "leur lorsque lui ma maintenant mais mon même n ne ni non nos notre nous on or ou oui où par parce pas "
    "pendant personne plus pour pourquoi pourtant puis qu quand que quel quelle qui quoi sa sans se selon ses "
    "seul si son sous sur tandis tous tout toute toutefois tu un une vers voici voilà vos votre vous y à",
    "ru": "а без более бы был была были было в вам вас ведь весь во вот все всё вы где да даже для до его ее если "
    "есть еще ещё её же за здесь и из или им их к как какой когда кто лишь мне многие может мой мы на над нам "
    "наш не него нет ни никто но ну о об один он она они оно от очень по под после потом потому почему при "
    "про с сегодня сейчас со так также такой там тем теперь то тогда тоже только ты у уже хотя чего через что "
    "чтобы эта эти это этот я",
    "uk": "а але без був була були було в вже ви вона вони воно все всі від він де для до ж з за зараз й його коли "
    "крім ми може мій на над не немає ні о один однак отже по потім при про під після та так також там те "
    "тепер ти тоді той тому тут у хоча хто це цей ця через чи чому що щоб я як який якщо є і із їх її",
    "be": "а але без бо была было былі быў в вы гэта гэты да дзе для з за зараз калі мы на не няма о па пасля пра "
    "пры так там таму той тут ты у хто цяпер чаму што я як які яна яны ён і",
    "bg": "а аз ако без беше бил в ви вие все всички във да дали днес до докато е за затова защо защото и или им "
    "има к как какво като когато когото кой който към ми много може на над не него ни нищо но о обаче от по "
    "под поради после при с са само се сега след със така там те тези ти то това тогава той тук тя у",
    "mk": "а ако без беше бил в вие во да дека денес до е за затоа зошто и или има к како кога кој ми многу може на "
    "не ние но од откако по под потоа при с само се сега со таа така таму ти тие тоа тогаш тој тука у јас",
    "sr": "а али без би била било био већ ви где да данас до за зато зашто и из или кад када како ко на наиме не "
    "него ни но о ова овај ово од он она онда они оно по под пред при с сада се су та тада тако тамо тај те "
    "ти то у уз шта што ја је јер",
    "el": "ένα ένας έτσι ήταν αλλά αν από αυτά αυτή αυτό αυτός για γιατί δεν είναι εγώ εδώ εκεί εμείς η κάθε καθώς "
    "και μα με μετά μη μόνο ναι ο οι ποιος πολύ που πού πριν πως σήμερα σε στη στην στις στο στον στους τα τη "
    "την της τι τις το τον του τους των τότε τώρα ως ό,τι όμως όπως όταν όχι",
    "tr": "acaba ama ancak artık ayrıca bana bazı belki ben benim bir biz bizim bu bugün bunlar bunun burada böyle "
    "da daha de diğer dün en evet eğer fakat gibi hangi hayır hem her hiç ile için işte kim kimse ne neden "
    "nerede o olarak ona onlar onun orada oysa peki sadece sen siz sonra tüm ve veya ya yani yine çok çünkü "
    "öyle şey şimdi şu",
    "az": "amma ancaq bir biz bu bəli bəs daha də hər indi isə kim mən niyə nə o onlar onun orada siz sonra sən və "
    "ya yox çünki əgər",
    "id": "ada akan aku anda apa bahkan banyak beliau dalam dan dari dengan di dia hal hari ia ini itu jadi jika "
    "juga kalau kami kapan karena ke kemudian ketika kita lalu maka mengapa mereka namun oleh pada saat saya "
    "sebuah sedangkan sekarang selain semua setelah siapa sudah tapi tetapi tidak untuk walaupun ya yang",
    "vi": "ai anh bà bây bởi các còn có của do em hai hôm họ khi không là mà mặc một nay ngoài người nhưng những "
    "nếu rồi sau theo thì trong tôi tại tất từ và vì vậy với ông đây đã đó để ở",
    "eu": "a ala baina baita bat bere bi da dira egun era eta ez gero gu hala han hau hemen hori horrek hura izan "
    "ni nola non nor ondoren orain zer zergatik",
}
"""Words that begin many sentences and have a capital hardly anywhere else, by language."""
# fmt: on
SAME_AS = {"bs": "hr", "fo": "da", "lb": "de", "ms": "id", "nn": "no", "af": "nl", "oc": "ca", "jw": "id", "su": "id"}


@cache
def continued(language: str) -> frozenset[str]:
    """Return the abbreviations after which a sentence always goes on (Dr., z.B., approx.)."""
    return _set(f"{ALWAYS_CONTINUED} {_of(CONTINUED, language)}")


@cache
def continued_or_last(language: str) -> frozenset[str]:
    """Return the abbreviations that may also be the last word of a sentence (Inc., usw., U.S.)."""
    return _set(f"{OFTEN_CONTINUED} {_of(CONTINUED_OR_LAST, language)}")


@cache
def starters(language: str) -> frozenset[str]:
    """Return words that begin many sentences, and are written with a capital hardly anywhere else, in lower case."""
    return _set(_of(STARTERS, language))


def _of(table: dict[str, str], language: str) -> str:
    return table.get(SAME_AS.get(language, language), "")
